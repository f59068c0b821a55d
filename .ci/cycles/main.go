// Command cycles counts how firmly the files of a package are tied together:
//
//	go run ./.ci/cycles [-v] ./relay ./cmd/moa=900
//
// A reference is an identifier in one file that means a package-level object, a
// method or a field that another file of the same package declares. Files that
// reach each other over references lie in one cycle: none of them can be
// understood, tested or moved without the rest. The command counts the
// references that stay inside a cycle. Tests do not count. A number behind a
// package is the most that there may be: beyond it the command fails, and .ci/run
// with it. The aim is a third of what commit 9f60adc had:
//
//	relay               44 files, 1392 references between files, 1278 inside cycles
//	cmd/moa             38 files,  619 references between files,  514 inside cycles
//	store/badgerstore   41 files, 1190 references between files, 1031 inside cycles
//
// With -v it prints the references that hold the cycles together, the weakest
// pair of files first: from, to, how many references, by how many fewer
// references lie inside cycles if the pair is cut, and what is referred to.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	verbose := flag.Bool("v", false, "print each pair of files inside a cycle")
	flag.Parse()
	if err := run(os.Stdout, flag.Args(), *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "cycles:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string, verbose bool) error {
	if len(args) == 0 {
		return errors.New("name the folders of packages, as ./relay")
	}
	var tooMany []error
	for _, arg := range args {
		dir, bound, bounded := strings.Cut(arg, "=")
		g, err := load(dir)
		if err != nil {
			return err
		}
		inside := g.inside(g.components())
		report(out, dir, g, verbose)
		if !bounded {
			continue
		}
		most, err := strconv.Atoi(bound)
		if err != nil {
			return fmt.Errorf("%s: %w", arg, err)
		}
		if inside > most {
			tooMany = append(tooMany, fmt.Errorf("%s: %d references inside cycles of files, there may be %d", dir, inside, most))
		}
	}
	return errors.Join(tooMany...)
}

func report(out io.Writer, dir string, g *graph, verbose bool) {
	comps := g.components()
	largest := largest(comps)
	fmt.Fprintf(out, "%s: %d files, %d references between files (%d pairs), %d inside cycles\n",
		dir, len(g.files), g.references(), len(g.edges), g.inside(comps))
	fmt.Fprintf(out, "\tlargest cycle: %d files", len(largest))
	if len(largest) > 0 {
		fmt.Fprintf(out, ": %s", strings.Join(largest, " "))
	}
	fmt.Fprintln(out)
	if verbose {
		reportEdges(out, g)
	}
}

func reportEdges(out io.Writer, g *graph) {
	comps := g.components()
	before := g.inside(comps)
	type line struct {
		edge
		refs, gain int
	}
	var lines []line
	for e, objects := range g.edges {
		if comps[e.from] == comps[e.to] {
			lines = append(lines, line{e, total(objects), before - g.without(e).insideItself()})
		}
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.refs, b.refs), cmp.Compare(b.gain, a.gain),
			cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	for _, l := range lines {
		fmt.Fprintf(out, "\t%s -> %s\t%d\t-%d\t%s\n", l.from, l.to, l.refs, l.gain, names(g.edges[l.edge]))
	}
}

// names are the objects of a pair of files, the most used first, at most 8.
func names(objects map[string]int) string {
	var all []string
	for name := range objects {
		all = append(all, name)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(objects[b], objects[a]), cmp.Compare(a, b)) })
	if len(all) > 8 {
		all = append(all[:8], "…")
	}
	return strings.Join(all, " ")
}
