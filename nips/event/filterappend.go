package event

import (
	"encoding/hex"
	"slices"
	"strconv"

	"moa/nips/internal/scan"
)

// Append appends the filter as compact JSON. ParseFilter gives back an equal
// filter.
func (f *Filter) Append(dst []byte) []byte {
	open := len(dst)
	key := func(k string) {
		if len(dst) > open {
			dst = append(dst, ',')
		} else {
			dst = append(dst, '{')
		}
		dst = append(dst, '"')
		dst = append(dst, k...)
		dst = append(dst, `":`...)
	}
	if f.IDs != nil {
		key("ids")
		dst = appendList(dst, f.IDs, func(d []byte, id ID) []byte { return appendHexString(d, id[:]) })
	}
	if f.Authors != nil {
		key("authors")
		dst = appendList(dst, f.Authors, func(d []byte, pk PubKey) []byte { return appendHexString(d, pk[:]) })
	}
	if f.Kinds != nil {
		key("kinds")
		dst = appendList(dst, f.Kinds, func(d []byte, k uint16) []byte { return strconv.AppendUint(d, uint64(k), 10) })
	}
	for _, t := range f.Tags {
		key("#" + string(t.Name))
		dst = appendList(dst, t.Texts(), scan.AppendQuoted)
	}
	if f.Since != 0 {
		key("since")
		dst = strconv.AppendInt(dst, f.Since, 10)
	}
	if f.HasUntil {
		key("until")
		dst = strconv.AppendInt(dst, f.Until, 10)
	}
	if f.HasLimit {
		key("limit")
		dst = strconv.AppendInt(dst, int64(f.Limit), 10)
	}
	if f.Unindexed != "" {
		key("#" + f.Unindexed)
		dst = append(dst, "[]"...)
	}
	if f.Search != "" {
		key("search")
		dst = scan.AppendQuoted(dst, f.Search)
	}
	if len(dst) == open {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}

// Texts are the values as a client writes them, regions included.
func (t *TagFilter) Texts() []string {
	if len(t.Regions) == 0 {
		return t.Values
	}
	texts := slices.Clone(t.Values)
	prefix, _ := cellIn(t.Name)
	for _, r := range t.Regions {
		texts = append(texts, prefix+r+"*")
	}
	return texts
}

func appendList[T any](dst []byte, list []T, one func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, v)
	}
	return append(dst, ']')
}

func appendHexString(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = hex.AppendEncode(dst, b)
	return append(dst, '"')
}
