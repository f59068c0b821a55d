package terminal

import "strconv"

// Bytes is a number of bytes as people read it: "3 B", "1.2 MB".
func Bytes(n int64) string {
	units := []string{"kB", "MB", "GB", "TB", "PB"}
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value := float64(n) / 1000
	for len(units) > 1 && value >= 999.95 {
		value, units = value/1000, units[1:]
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + units[0]
}
