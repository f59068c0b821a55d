package report

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPageNeedsNothingElse(t *testing.T) {
	r := sample(map[string]float64{"moa": 4, "other": 1}, "moa", "other")
	text := render(t, func(b *bytes.Buffer) error { return HTML(b, r) })
	for _, bad := range []string{"<link", "src=\"", "url(http", "@import"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page asks for something else: %s", bad)
		}
	}
	for _, want := range []string{"accepted", "4,080", "width=device-width", "No fault was found", "uPlot"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(text, `data-chart=`); n != 5 {
		t.Errorf("%d charts, want 5", n)
	}
}

func TestPageKeepsMarkupOut(t *testing.T) {
	r := sample(map[string]float64{"x": 1}, "x")
	r.Results[0].Target.Name = `</script><script>alert(1)</script>`
	text := render(t, func(b *bytes.Buffer) error { return HTML(b, r) })
	if strings.Contains(text, "<script>alert") {
		t.Error("a relay's name became markup")
	}
}

// TestChartsDraw looks at the page in a real browser: MOA_CHROMIUM names one
// that understands --headless. The screenshots are kept in MOA_SCREENSHOTS if
// that names a folder.
func TestChartsDraw(t *testing.T) {
	browser := os.Getenv("MOA_CHROMIUM")
	if browser == "" {
		t.Skip("MOA_CHROMIUM names no browser")
	}
	dir := os.Getenv("MOA_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	name := filepath.Join(dir, "report.html")
	r := sample(map[string]float64{"moa": 4, "other": 1}, "moa", "other")
	if err := os.WriteFile(name, []byte(render(t, func(b *bytes.Buffer) error { return HTML(b, r) })), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(args ...string) []byte {
		args = append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000",
			"--user-data-dir=" + t.TempDir(),
		}, args...)
		out, err := exec.CommandContext(t.Context(), browser, append(args, "file://"+name)...).Output()
		if err != nil {
			t.Fatalf("%s: %v", browser, err)
		}
		return out
	}
	dom := look("--dump-dom")
	if !bytes.Contains(dom, []byte(`data-drawn="5"`)) || bytes.Count(dom, []byte("<canvas")) != 5 {
		t.Error("the charts did not draw")
	}
	for _, size := range []string{"390,3000", "1280,1600"} {
		shot := filepath.Join(dir, "report-"+strings.Split(size, ",")[0]+".png")
		look("--window-size="+size, "--screenshot="+shot)
		for _, color := range []string{"2f6fed", "e07a1f"} { // of the first two lines
			if n := pixels(t, shot, color); n < 300 {
				t.Errorf("%s has %d pixels of colour %s: no line was drawn", shot, n, color)
			}
		}
	}
}

// pixels counts those of a colour.
func pixels(t *testing.T, name, color string) (n int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); fmt.Sprintf("%02x%02x%02x", r>>8, g>>8, b>>8) == color {
				n++
			}
		}
	}
	return n
}
