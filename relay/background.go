package relay

import "context"

// background is the context of policies: they have deadlines of their own, and
// a connection that goes away does not take back what it has said.
var background = context.Background()
