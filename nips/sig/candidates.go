package sig

// candidates are all verifiers, fastest first. btcec ends the list: it works
// everywhere.
var candidates = []candidate{
	{IFMA, openIFMA},
	{ADX, openADX},
	{Go, openGo},
	{Btcec, func() (Verifier, error) { return btcecVerifier{}, nil }},
}
