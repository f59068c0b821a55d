package hub

import (
	"iter"
	"slices"
)

// tagValue is one value of a tag filter, or one region.
type tagValue struct {
	name   byte
	region bool
	value  string
}

// table lists entries under the values of one field. Nodes are known by
// number: a filter of many values keeps four bytes for each.
type table[V comparable] struct {
	at    shrinking[V, uint32]
	nodes numbered[node[V]]
}

type node[V comparable] struct {
	value  V
	groups []group
}

// group is the entries of a node that ask for the same kinds, by number.
type group struct {
	kinds   *kindSet
	entries []uint32 // ascending: quickly found again, and added at the end mostly
}

// find returns what is listed under v.
func (t *table[V]) find(v V) []group {
	if n, ok := t.at.m[v]; ok {
		return t.nodes.list[n].groups
	}
	return nil
}

// list enters an entry under each of the values and returns the nodes.
func (t *table[V]) list(entry uint32, kinds *kindSet, values []V) []uint32 {
	nodes := make([]uint32, len(values))
	for i, v := range values {
		nodes[i] = t.node(v)
		t.nodes.list[nodes[i]].add(entry, kinds)
	}
	return nodes
}

// unlist takes the entry back out of the nodes that list returned. It reports
// whether renumber would save memory.
func (t *table[V]) unlist(entry uint32, kinds *kindSet, nodes []uint32) (sparse bool) {
	for _, n := range nodes {
		nd := &t.nodes.list[n]
		if nd.remove(entry, kinds); len(nd.groups) == 0 {
			sparse = t.at.drop(nd.value) || sparse
			t.nodes.drop(n)
		}
	}
	return sparse
}

// renumber closes the gaps between the nodes. all are the nodes of each entry that
// is listed here.
func (t *table[V]) renumber(all iter.Seq[[]uint32]) {
	list := make([]node[V], 0, len(t.at.m))
	numbers := make([]uint32, len(t.nodes.list))
	for n := range t.nodes.list {
		if nd := &t.nodes.list[n]; len(nd.groups) > 0 {
			numbers[n] = uint32(len(list))
			t.at.m[nd.value] = numbers[n]
			list = append(list, *nd)
		}
	}
	t.nodes = numbered[node[V]]{list: list}
	for nodes := range all {
		for i, n := range nodes {
			nodes[i] = numbers[n]
		}
	}
}

// node returns the number of v's node, which it makes if need be.
func (t *table[V]) node(v V) uint32 {
	if n, ok := t.at.m[v]; ok {
		return n
	}
	n := t.nodes.take(node[V]{value: v})
	t.at.put(v, n)
	return n
}

func (n *node[V]) add(entry uint32, kinds *kindSet) {
	for i := range n.groups {
		if g := &n.groups[i]; g.kinds == kinds {
			at, _ := slices.BinarySearch(g.entries, entry)
			g.entries = slices.Insert(g.entries, at, entry)
			return
		}
	}
	n.groups = append(n.groups, group{kinds, []uint32{entry}})
}

func (n *node[V]) remove(entry uint32, kinds *kindSet) {
	i := slices.IndexFunc(n.groups, func(g group) bool { return g.kinds == kinds })
	g := &n.groups[i]
	at, _ := slices.BinarySearch(g.entries, entry)
	g.entries = fitting(slices.Delete(g.entries, at, at+1))
	if len(g.entries) == 0 {
		n.groups = slices.Delete(n.groups, i, i+1)
	}
}
