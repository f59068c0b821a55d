//go:build !linux

package badgerstore

// mappedBytes is not known.
func mappedBytes() int64 { return 0 }
