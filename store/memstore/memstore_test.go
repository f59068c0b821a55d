package memstore_test

import (
	"testing"

	"moa/store"
	"moa/store/memstore"
	"moa/store/storetest"
)

func TestMemstore(t *testing.T) {
	storetest.Run(t, storetest.Maker{Open: func(testing.TB) store.Store { return memstore.New() }})
}
