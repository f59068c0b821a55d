package main

import (
	"bytes"
	"math/big"
	"os"
	"testing"
)

func TestGeneratedFilesAreCurrent(t *testing.T) {
	for file, generate := range map[string]func() []byte{
		"../secp/field_amd64.s":   fieldFile,
		"../ifma/kernels_amd64.s": lanesFile,
	} {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, generate()) {
			t.Errorf("%s is not what asmgen writes: run go generate in its directory", file)
		}
	}
}

// The constant from which elements are subtracted is 8p, and none of its limbs
// is below three times the bound of a carried limb.
func TestEightPCoversThreeElements(t *testing.T) {
	v := new(big.Int)
	for i := 4; i >= 0; i-- {
		v.Lsh(v, 52)
		v.Add(v, new(big.Int).SetUint64(eightP[i]))
		bound := uint64(1) << 52
		if i == 4 {
			bound = 1<<48 + 1<<12
		}
		if eightP[i] < 3*(bound-1) {
			t.Errorf("limb %d is %#x, below three limbs of %#x", i, eightP[i], bound-1)
		}
	}
	want := new(big.Int).Lsh(big.NewInt(1), 256)
	want.Sub(want, big.NewInt(foldConst))
	if want.Lsh(want, 3).Cmp(v) != 0 {
		t.Errorf("eightP = %x, want %x", v, want)
	}
}
