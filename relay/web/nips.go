package web

// nipNames say in a few words what the NIPs are about that the relay may name.
var nipNames = map[int]string{
	1:  "events and subscriptions",
	9:  "deletion by the author",
	11: "information about the relay",
	13: "proof of work",
	17: "private messages",
	40: "events that expire",
	42: "authentication",
	43: "members",
	45: "counting",
	59: "gift wraps",
	62: "vanishing",
	67: "whether an answer is all there is",
	70: "protected events",
	77: "synchronizing",
	86: "management",
	98: "authentication over HTTP",
}
