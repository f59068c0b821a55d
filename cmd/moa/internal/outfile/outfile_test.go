package outfile

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestAFileThatCannotBeWrittenWholeStaysAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, func(w io.Writer) error { io.WriteString(w, "half"); return io.ErrShortWrite }); err == nil {
		t.Error("no error")
	}
	if got, _ := os.ReadFile(path); string(got) != "before" {
		t.Errorf("it is %q", got)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
