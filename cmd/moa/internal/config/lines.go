package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// fileLines tells on which line of a TOML file each key stands. Keys are paths
// as faults have them: limits.message_bytes, policy[2].prefixes.
type fileLines map[string]int

// linesOf reads the lines of a file that go-toml has accepted.
func linesOf(text []byte) fileLines {
	lines := fileLines{}
	var p unstable.Parser
	p.Reset(text)
	table, tables := "", map[string]int{}
	for p.NextExpression() {
		e := p.Expression()
		path, line := keyOf(&p, e)
		switch e.Kind {
		case unstable.Table:
			table = current(path, tables)
			lines[table] = line
		case unstable.ArrayTable:
			table = fmt.Sprintf("%s[%d]", path, tables[path])
			if tables[path]++; tables[path] == 1 {
				lines[path] = line
			}
			lines[table] = line
		case unstable.KeyValue:
			lines.add(&p, e, table)
		}
	}
	return lines
}

// add notes the line of a key, and those of the tables in its value.
func (l fileLines) add(p *unstable.Parser, e *unstable.Node, table string) {
	path, line := keyOf(p, e)
	if table != "" {
		path = table + "." + path
	}
	l[path] = line
	l.addValue(p, e.Value(), path)
}

func (l fileLines) addValue(p *unstable.Parser, v *unstable.Node, path string) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			l.add(p, it.Node(), path)
		}
	case unstable.Array:
		n := 0
		for it := v.Children(); it.Next(); n++ {
			l.addValue(p, it.Node(), fmt.Sprintf("%s[%d]", path, n))
		}
	}
}

// keyOf is the dotted key of an expression, and its line.
func keyOf(p *unstable.Parser, e *unstable.Node) (path string, line int) {
	var parts []string
	for it := e.Key(); it.Next(); {
		if len(parts) == 0 {
			line = p.Shape(it.Node().Raw).Start.Line
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), line
}

// current gives a table that lies in an array of tables the number of the
// array's last one: [policy.x] is of the [[policy]] above it.
func current(path string, tables map[string]int) string {
	for name, n := range tables {
		if rest, ok := strings.CutPrefix(path, name+"."); ok {
			return fmt.Sprintf("%s[%d].%s", name, n-1, rest)
		}
	}
	return path
}

// of is the line of a path, or of what it lies in; 0: the file does not have it.
func (l fileLines) of(path string) int {
	for path != "" {
		if line, ok := l[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 0
}
