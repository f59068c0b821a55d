package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
)

//go:embed map.html
var mapText string

//go:embed map.js
var mapScript string

var mapPage = template.Must(template.New("map").Parse(mapText))

// MapPolicy is the Content-Security-Policy of the map: this very script runs,
// and speaks to the relay alone.
var MapPolicy = "default-src 'none'; connect-src 'self'; script-src 'sha256-" + scriptHash() +
	"'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func scriptHash() string {
	sum := sha256.Sum256([]byte(mapScript))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Map makes the page that shows in which cells people write. area are the
// geohashes that it shows first, none for the whole earth. scopes is the URL behind
// which a geohash makes it that of a relay for the cell, "" if there are none.
func Map(name string, area []string, scopes string) ([]byte, error) {
	var out bytes.Buffer
	err := mapPage.Execute(&out, struct {
		Name, Area, Scopes string
		Script             template.JS
	}{name, strings.Join(area, " "), scopes, template.JS(mapScript)})
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return out.Bytes(), nil
}
