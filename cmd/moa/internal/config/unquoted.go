package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

var number = regexp.MustCompile(`^[-+]?[\d_]+(\.\d*)?$`)

// unquoted is what to do about a line that is no TOML because a value in it has no
// quotes, or is no true or false; "": that is not why.
func unquoted(text []byte, line int) string {
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	whole := strings.TrimSpace(string(lines[line-1]))
	_, value, ok := strings.Cut(whole, "=")
	if inArray := strings.HasSuffix(whole, ","); !ok && inArray {
		value, ok = whole, true
	}
	value, _, _ = strings.Cut(value, " #")
	value = strings.TrimSuffix(strings.TrimSpace(value), ",")
	if list, is := strings.CutPrefix(value, "["); is && !strings.Contains(strings.TrimSuffix(list, "]"), "]") {
		value, _, _ = strings.Cut(strings.TrimSuffix(list, "]"), ",")
	}
	value = strings.TrimSpace(value)
	var good any
	switch {
	case !ok || value == "" || strings.ContainsAny(value, "\"'{}") || number.MatchString(value) || toml.Unmarshal([]byte(whole), &good) == nil:
		return ""
	case slices.Contains([]string{"true", "false", "yes", "no", "on", "off"}, strings.ToLower(value)):
		return "; want true or false"
	}
	return fmt.Sprintf("; put it in quotes: %q", value)
}
