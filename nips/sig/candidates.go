package sig

// candidates are all verifiers, fastest first. btcec ends the list: it works
// everywhere.
var candidates = []candidate{
	{Btcec, func() (Verifier, error) { return btcecVerifier{}, nil }},
}
