package builtin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"moa/nips/event"
	"moa/nips/nip13"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type exprConfig struct {
	Accept  string       `toml:"accept" comment:"An event is accepted if this is true (https://expr-lang.org). It knows\n  kind, content, tags, pubkey, id, created_at, age (seconds), size (bytes), pow (bits),\n  ip, host, authed (public keys), author_authed, listed (the author is one of people),\n  tag(\"t\") (the first value), has_tag(\"t\"), values(\"t\")." example:"\"kind != 1 || listed || len(content) < 500\""`
	Kinds   conf.Kinds   `toml:"kinds" comment:"The kinds that are asked about. Empty: all."`
	Message string       `toml:"message" comment:"What those who are refused are told. Empty: a plain sentence."`
	Shadow  bool         `toml:"shadow" comment:"They are told that all is well, and their events are dropped."`
	People  peopleConfig `toml:"people" comment:"The people that are listed, in the words of the policy allow." example:"{ pubkeys = [\"<pubkey>\"] }"`
}

var exprDefaults = exprConfig{People: peopleDefaults}

// expression accepts the events for which an expression is true.
type expression struct {
	*people // nil: nobody is listed
	program *vm.Program
	bounds  exprBounds
	kinds   conf.Kinds
	refusal policy.Verdict
	report  atomic.Pointer[func(value any)] // told of failures; nil: nobody
	now     func() time.Time
	vms     sync.Pool
}

// facts are what an expression knows.
type facts struct {
	Kind         int                        `expr:"kind"`
	Content      string                     `expr:"content"`
	Tags         []event.Tag                `expr:"tags"`
	PubKey       string                     `expr:"pubkey"`
	ID           string                     `expr:"id"`
	CreatedAt    int                        `expr:"created_at"`
	Age          int                        `expr:"age"`
	Size         int                        `expr:"size"`
	PoW          int                        `expr:"pow"`
	IP           string                     `expr:"ip"`
	Host         string                     `expr:"host"`
	Authed       []string                   `expr:"authed"`
	AuthorAuthed bool                       `expr:"author_authed"`
	Listed       bool                       `expr:"listed"`
	Tag          func(name string) string   `expr:"tag"`
	HasTag       func(name string) bool     `expr:"has_tag"`
	Values       func(name string) []string `expr:"values"`
}

func newExpr(env *policy.Env, cfg exprConfig, bad *conf.Faults) policy.Policy {
	p := &expression{
		kinds: cfg.Kinds, now: env.Now,
		refusal: policy.Refuse(reason.Blocked, or(cfg.Message, "a rule of this relay does not accept this event")),
		vms:     sync.Pool{New: func() any { return new(vm.VM) }},
	}
	if cfg.Shadow {
		p.refusal = policy.Verdict{Action: policy.Shadow}
	}
	p.people = optionalPeople(env, cfg.People, "people", bad)
	if cfg.Accept == "" {
		bad.Add("accept", "missing")
		return nil
	}
	var err error
	if p.program, p.bounds, err = compileExpr(cfg.Accept); err != nil {
		bad.Add("accept", "%v", err)
		return nil
	}
	return p
}

func (p *expression) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	if len(p.kinds) > 0 && !p.kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	if !p.bounds.hold(e) {
		return policy.Refuse(reason.Blocked, "the event has too many tags, or too much content, for a check that this relay makes")
	}
	m := p.vms.Get().(*vm.VM)
	defer p.vms.Put(m)
	yes, err := m.Run(p.program, p.facts(c, e))
	if err != nil {
		if report := p.report.Load(); report != nil {
			(*report)(err)
		}
		return policy.Refuse(reason.Error, "a check that this relay makes cannot be made of this event")
	}
	if yes == true {
		return policy.Verdict{}
	}
	return p.refusal
}

// ReportPanics sets the function that hears of expressions that fail: what runs them
// makes an error of every panic.
func (p *expression) ReportPanics(report func(value any)) { p.report.Store(&report) }

func (p *expression) facts(c policy.Client, e *event.Event) facts {
	f := facts{
		Kind: int(e.Kind), Content: e.Content, Tags: e.Tags, PubKey: e.PubKey.String(), ID: e.ID.String(),
		CreatedAt: int(e.CreatedAt), Age: int(p.now().Unix() - e.CreatedAt), Size: len(e.Raw), PoW: nip13.Difficulty(e.ID),
		Host: c.Host(), AuthorAuthed: authed(c, e.PubKey), Listed: p.people != nil && p.Has(e.PubKey),
		Tag:    func(name string) string { v, _ := e.Value(name); return v },
		HasTag: func(name string) bool { _, ok := e.Value(name); return ok },
		Values: func(name string) (values []string) {
			for _, t := range e.Tags {
				if t[0] == name {
					values = append(values, t.Value())
				}
			}
			return values
		},
	}
	if ip := c.IP(); ip.IsValid() {
		f.IP = ip.Unmap().String()
	}
	for _, pk := range c.Authed() {
		f.Authed = append(f.Authed, pk.String())
	}
	return f
}

// Run and Saved are for the people, if there are any.
func (p *expression) Run(ctx context.Context) error {
	if p.people == nil {
		return nil
	}
	return p.people.Run(ctx)
}

func (p *expression) Saved(c policy.Client, e *event.Event) {
	if p.people != nil {
		p.people.Saved(c, e)
	}
}

func (p *expression) Limits() policy.Limits { return policy.Limits{RestrictedWrites: true} }

// exprBuiltins are the functions of the language that expressions may use: none
// that makes long lists or long texts out of short ones.
var exprBuiltins = []string{
	"all", "none", "any", "one", "filter", "map", "find", "findIndex", "count", "sum", "len", "abs", "int", "float", "string",
	"trim", "trimPrefix", "trimSuffix", "upper", "lower", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "max", "min", "first", "last",
}

const (
	maxExprNodes = 500
	maxExprDepth = 2       // loops in loops
	maxExprRuns  = 1 << 20 // of the innermost loop
	maxExprBytes = 1 << 27 // of content, read again in every turn of a loop
)

// exprBounds are how an expression's cost grows with an event.
type exprBounds struct {
	depth   int  // loops in loops
	content bool // a loop looks at the content
}

// hold reports whether the expression may be asked about the event.
func (b exprBounds) hold(e *event.Event) bool {
	n, runs := len(e.Tags), 1
	for _, t := range e.Tags {
		n = max(n, len(t))
	}
	for range b.depth {
		runs *= max(n, 1)
	}
	return runs <= maxExprRuns && (!b.content || runs*len(e.Content) <= maxExprBytes)
}

func compileExpr(text string) (*vm.Program, exprBounds, error) {
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, exprBounds{}, err
	}
	w := exprWalk{loops: map[ast.Node]int{}}
	ast.Walk(&tree.Node, &w)
	if w.err == nil && w.bounds.depth > maxExprDepth {
		w.err = fmt.Errorf("loops %d deep; at most %d are allowed", w.bounds.depth, maxExprDepth)
	}
	if w.err != nil {
		return nil, exprBounds{}, w.err
	}
	options := []expr.Option{expr.Env(facts{}), expr.AsBool(), expr.MaxNodes(maxExprNodes), expr.DisableAllBuiltins()}
	for _, name := range exprBuiltins {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := expr.Compile(text, options...)
	return program, w.bounds, err
}

// exprWalk visits a tree from its leaves up. A loop's body is a predicate.
type exprWalk struct {
	bounds exprBounds
	loops  map[ast.Node]int // the depth of each predicate seen
	err    error
}

func (w *exprWalk) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		if n.Operator == ".." {
			w.err = errors.New("ranges (..) are not allowed")
		}
		if _, constant := n.Right.(*ast.StringNode); n.Operator == "matches" && !constant {
			w.err = errors.New("the pattern of matches must be a plain text")
		}
	case *ast.PredicateNode:
		inner := exprBody{loops: w.loops}
		body := n.Node
		ast.Walk(&body, &inner)
		w.loops[n] = inner.depth + 1
		w.bounds.depth = max(w.bounds.depth, inner.depth+1)
		w.bounds.content = w.bounds.content || inner.content
	}
}

// exprBody looks at what is in a loop.
type exprBody struct {
	loops   map[ast.Node]int
	depth   int
	content bool
}

func (b *exprBody) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		b.depth = max(b.depth, b.loops[n])
	case *ast.IdentifierNode:
		b.content = b.content || n.Value == "content"
	}
}
