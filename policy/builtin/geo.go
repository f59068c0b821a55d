package builtin

import (
	"context"
	"fmt"
	"os"
	"strings"

	"moa/nips/event"
	"moa/nips/geo"
	"moa/nips/geohash"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

// areaConfig is a set of places: all of its shapes together.
type areaConfig struct {
	Prefixes []string       `toml:"prefixes" comment:"Geohashes: everything in one of these cells is in the area." example:"[\"u33\"]"`
	Circles  []circleConfig `toml:"circles" comment:"Everything within so many km of a place." example:"[{ lat = 52.52, lon = 13.4, km = 30 }]"`
	Boxes    []boxConfig    `toml:"boxes" comment:"Rectangles in degrees; a west greater than east crosses the antimeridian." example:"[{ south = 52.3, west = 13.0, north = 52.7, east = 13.8 }]"`
	Polygons []string       `toml:"polygons" comment:"GeoJSON files: every Polygon and MultiPolygon in them."`
}

type circleConfig struct {
	Lat float64 `toml:"lat"`
	Lon float64 `toml:"lon"`
	Km  float64 `toml:"km"`
}

type boxConfig struct {
	South float64 `toml:"south"`
	West  float64 `toml:"west"`
	North float64 `toml:"north"`
	East  float64 `toml:"east"`
}

type geoConfig struct {
	areaConfig
	Except     areaConfig `toml:"except" comment:"What is not in the area after all, by the same keys." example:"{ prefixes = [\"u33d\"] }"`
	Name       string     `toml:"area" comment:"What people call the area; refusals name it." example:"\"Berlin\""`
	Required   conf.Kinds `toml:"required" comment:"The kinds that must say where they are, by a g tag, geo: in an i or I tag, or a label\n(NIP-32) of the namespace #g. Events of other kinds are looked at only if they do."`
	Exempt     conf.Kinds `toml:"exempt" comment:"The kinds that are not looked at. In lists of servers (NIP-34), g is not a place."`
	Coarse     string     `toml:"coarse" comment:"A cell that lies only partly in the area is in it if it \"intersects\" the area, if its\n\"centre\" is there, or never: if it must be \"contained\"."`
	Places     string     `toml:"places" comment:"Of an event that names several places, \"any\" or \"all\" must be in the area. A ladder of\nprefixes is one place."`
	MinLength  int        `toml:"min_length" comment:"Places must be named by at least so many characters. 0: any."`
	MaxLength  int        `toml:"max_length" comment:"Places must be named by at most so many characters, to protect people: 6 is about a\nkilometre. 0: any."`
	Ephemeral  string     `toml:"out_of_area_ephemeral" comment:"Ephemeral events (20000-29999) from outside: \"relay\" sends them to live subscriptions\nand stores none; \"refuse\" refuses them. BitChat lists only relays that take them."`
	MeshBridge bool       `toml:"mesh_bridge" comment:"The r tags of BitChat's kinds 20000 and 20001 are places."`
}

var geoDefaults = geoConfig{
	Required: conf.MustKinds("1, 20000, 20001"),
	Exempt:   conf.MustKinds("0, 3, 5, 62, 1059, 9735, 10002, 10050, 10317, 22242"),
	Coarse:   "intersects", Places: "any", Ephemeral: "relay", MeshBridge: true,
}

// Geo accepts events from an area of the earth.
type Geo struct {
	cfg  geoConfig
	area *geo.Area
	name string // for people: `u33 (Berlin)`
}

func newGeo(env *policy.Env, cfg geoConfig, bad *conf.Faults) policy.Policy {
	include := cfg.areaConfig.shapes(env, "", bad)
	exclude := cfg.Except.shapes(env, "except", bad)
	for _, c := range []struct {
		path, value string
		known       []string
	}{
		{"coarse", cfg.Coarse, []string{"intersects", "centre", "contained"}},
		{"places", cfg.Places, []string{"any", "all"}},
		{"out_of_area_ephemeral", cfg.Ephemeral, []string{"relay", "refuse"}},
	} {
		oneOf(bad, c.path, c.value, c.known...)
	}
	for _, c := range []struct {
		path  string
		value int
	}{{"min_length", cfg.MinLength}, {"max_length", cfg.MaxLength}} {
		if c.value < 0 || c.value > geohash.MaxLen {
			bad.Add(c.path, "%d is not from 0 to %d", c.value, geohash.MaxLen)
		}
	}
	if cfg.MaxLength > 0 && cfg.MinLength > cfg.MaxLength {
		bad.Add("min_length", "%d is more than max_length, %d", cfg.MinLength, cfg.MaxLength)
	}
	if len(include)+len(exclude) == 0 && len(*bad) == 0 {
		bad.Add("prefixes", "there is no area: neither prefixes nor circles, boxes or polygons")
	}
	if len(*bad) > 0 {
		return nil
	}
	area, err := geo.Compile(include, exclude)
	if err != nil {
		bad.Add("prefixes", "%v", err)
		return nil
	}
	return &Geo{cfg, area, cfg.describe(area)}
}

// oneOf checks a value that is a choice.
func oneOf(bad *conf.Faults, path, value string, known ...string) {
	for _, k := range known {
		if value == k {
			return
		}
	}
	bad.Add(path, `%q is none of "%s"`, value, strings.Join(known, `", "`))
}

func (c *areaConfig) shapes(env *policy.Env, path string, bad *conf.Faults) (all []geo.Shape) {
	at := func(key string, i int) string { return conf.Join(path, fmt.Sprintf("%s[%d]", key, i)) }
	add := func(where string, s geo.Shape, err error) {
		if err != nil {
			bad.Add(where, "%v", err)
			return
		}
		all = append(all, s)
	}
	for i, hash := range c.Prefixes {
		s, err := geo.Prefix(strings.ToLower(hash))
		add(at("prefixes", i), s, err)
	}
	for i, x := range c.Circles {
		s, err := geo.Circle(x.Lat, x.Lon, x.Km)
		add(at("circles", i), s, err)
	}
	for i, x := range c.Boxes {
		s, err := geo.Box(x.South, x.West, x.North, x.East)
		add(at("boxes", i), s, err)
	}
	for i, name := range c.Polygons {
		text, err := os.ReadFile(env.Path(name))
		if err != nil {
			bad.AddOf(name, at("polygons", i), err.Error())
			continue
		}
		shapes, err := geo.GeoJSON(text)
		if err != nil {
			bad.AddOf(name, at("polygons", i), fmt.Sprintf("%s: %v", name, err))
			continue
		}
		all = append(all, shapes...)
	}
	return all
}

// describe says in a few words what the area is.
func (c *geoConfig) describe(area *geo.Area) string {
	cells := c.Prefixes
	if len(cells) == 0 || len(cells) > 4 || len(c.Circles)+len(c.Boxes)+len(c.Polygons) > 0 {
		cells = area.Prefixes(4)
	}
	where := strings.Join(cells, ", ")
	switch {
	case c.Name == "" && where == "":
		return "the area of this relay"
	case c.Name == "":
		return where
	case where == "":
		return c.Name
	}
	return where + " (" + c.Name + ")"
}

// Area is the area that events must be in.
func (p *Geo) Area() *geo.Area { return p.area }

// AreaName is what people call it, "" if the config does not say.
func (p *Geo) AreaName() string { return p.cfg.Name }

// Where says in a few words what the area is: "u33 (Berlin)".
func (p *Geo) Where() string { return p.name }

func (p *Geo) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if p.cfg.Exempt.Has(e.Kind) {
		return policy.Verdict{}
	}
	places := geo.Locate(e, p.cfg.MeshBridge)
	list := places.List()
	if len(list) == 0 {
		if p.cfg.Required.Has(e.Kind) {
			return p.refuse(e, p.missing(places.Bad))
		}
		return policy.Verdict{}
	}
	if places.More {
		return policy.Refuse(reason.Blocked, fmt.Sprintf("the event names more than %d places", len(list)))
	}
	for _, hash := range list {
		if text := p.imprecise(hash); text != "" {
			return policy.Refuse(reason.Blocked, text)
		}
	}
	in := 0
	for _, hash := range list {
		if p.inside(hash) {
			in++
		}
	}
	if in == len(list) || in > 0 && p.cfg.Places == "any" {
		return policy.Verdict{}
	}
	return p.refuse(e, fmt.Sprintf("only notes within %s are accepted; yours is %s", p.name, strings.Join(list, ", ")))
}

// refuse refuses an event that is not from the area, or lets an ephemeral one go to
// live subscriptions only.
func (p *Geo) refuse(e *event.Event, text string) policy.Verdict {
	if p.cfg.Ephemeral == "relay" && event.Ephemeral(e.Kind) {
		return policy.Verdict{Action: policy.RelayOnly}
	}
	return policy.Refuse(reason.Blocked, text)
}

func (p *Geo) missing(bad string) string {
	if bad != "" {
		return fmt.Sprintf(`%.40q is not a geohash; add a "g" tag with a geohash within %s`, bad, p.name)
	}
	return fmt.Sprintf(`only notes within %s are accepted; add a "g" tag with a geohash`, p.name)
}

// imprecise returns what is wrong with the length of a geohash.
func (p *Geo) imprecise(hash string) string {
	switch {
	case p.cfg.MaxLength > 0 && len(hash) > p.cfg.MaxLength:
		return fmt.Sprintf("location too precise: %s has %d characters, and to protect you at most %d are accepted", hash, len(hash), p.cfg.MaxLength)
	case len(hash) < p.cfg.MinLength:
		return fmt.Sprintf("location too coarse: %s has %d characters, and at least %d are needed", hash, len(hash), p.cfg.MinLength)
	}
	return ""
}

func (p *Geo) inside(hash string) bool {
	switch p.area.Compare(hash) {
	case geo.Inside:
		return true
	case geo.Partly:
		return p.cfg.Coarse == "intersects" || p.cfg.Coarse == "centre" && p.area.HasCentre(hash)
	}
	return false
}

func (p *Geo) Limits() policy.Limits { return policy.Limits{RestrictedWrites: true} }
