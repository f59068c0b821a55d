// Command asmgen writes the assembly of nips/sig: the 4x64-bit field and point
// arithmetic with MULX, ADCX and ADOX for package secp, and the kernels of eight
// and sixteen AVX-512 IFMA lanes for package ifma. go generate runs it, and a
// test compares its output with the files in the tree.
//
// It prints text: an instruction is one call of op. Registers are allotted by
// hand, for the kernels are straight lines that use nearly all of them.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	field := flag.String("field", "", "write the field arithmetic of package secp to this file")
	lanes := flag.String("lanes", "", "write the kernels of package ifma to this file")
	flag.Parse()
	write(*field, fieldFile)
	write(*lanes, lanesFile)
}

// write writes a generated file, unless its name is empty.
func write(name string, generate func() []byte) {
	if name == "" {
		return
	}
	if err := os.WriteFile(name, generate(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "asmgen:", err)
		os.Exit(1)
	}
}
