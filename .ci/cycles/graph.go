package main

import "slices"

// A graph says which file of a package refers to which.
type graph struct {
	files []string
	edges map[edge]map[string]int // how often each object is referred to
}

type edge struct{ from, to string }

func total(objects map[string]int) int {
	n := 0
	for _, times := range objects {
		n += times
	}
	return n
}

func (g *graph) references() int {
	n := 0
	for _, objects := range g.edges {
		n += total(objects)
	}
	return n
}

// without is g with one pair of files less.
func (g *graph) without(cut edge) *graph {
	less := &graph{files: g.files, edges: make(map[edge]map[string]int, len(g.edges))}
	for e, objects := range g.edges {
		if e != cut {
			less.edges[e] = objects
		}
	}
	return less
}

// inside counts the references between files of one component.
func (g *graph) inside(comps map[string]int) int {
	n := 0
	for e, objects := range g.edges {
		if comps[e.from] == comps[e.to] {
			n += total(objects)
		}
	}
	return n
}

func (g *graph) insideItself() int { return g.inside(g.components()) }

// components numbers the strongly connected components, as Tarjan found them:
// a file gets the next number when it is met, and its component is closed when
// nothing behind it leads to a file that was met before it.
func (g *graph) components() map[string]int {
	next := map[string][]string{}
	for e := range g.edges {
		next[e.from] = append(next[e.from], e.to)
	}
	comps, met, low := map[string]int{}, map[string]int{}, map[string]int{}
	var stack []string
	closed := 0
	var visit func(string)
	visit = func(f string) {
		met[f] = len(met) + 1
		low[f] = met[f]
		stack = append(stack, f)
		for _, to := range next[f] {
			if met[to] == 0 {
				visit(to)
				low[f] = min(low[f], low[to])
			} else if _, done := comps[to]; !done {
				low[f] = min(low[f], met[to])
			}
		}
		if low[f] < met[f] {
			return
		}
		at := slices.Index(stack, f)
		for _, member := range stack[at:] {
			comps[member] = closed
		}
		stack = stack[:at]
		closed++
	}
	for _, f := range g.files {
		if met[f] == 0 {
			visit(f)
		}
	}
	return comps
}

// largest are the files of the largest component, none if no file is in a cycle.
func largest(comps map[string]int) []string {
	members := map[int][]string{}
	for f, c := range comps {
		members[c] = append(members[c], f)
	}
	var most []string
	for _, files := range members {
		slices.Sort(files)
		if len(files) > len(most) || len(files) == len(most) && slices.Compare(files, most) < 0 {
			most = files
		}
	}
	if len(most) < 2 {
		return nil
	}
	return most
}
