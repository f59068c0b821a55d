package plugin

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// appendEvent writes the question that strfry writes, and a line feed.
func (p *Policy) appendEvent(dst []byte, c policy.Client, e *event.Event) []byte {
	dst = append(dst, `{"type":"new","event":`...)
	dst = append(dst, e.Raw...)
	return p.appendSource(dst, c)
}

// appendFilter writes a question of the extended protocol:
//
//	{"type":"filter","id":"filter-1","subscription":"feed","filter":{…},…}
func (p *Policy) appendFilter(dst []byte, id, subID string, c policy.Client, f *event.Filter) []byte {
	dst = append(dst, `{"type":"filter","id":"`...)
	dst = append(dst, id...)
	dst = append(dst, `","subscription":`...)
	quoted, _ := json.Marshal(subID) // a string has always a JSON form
	dst = append(dst, quoted...)
	dst = append(dst, `,"filter":`...)
	dst = f.Append(dst)
	return p.appendSource(dst, c)
}

// appendSource writes where a question comes from and ends it.
func (p *Policy) appendSource(dst []byte, c policy.Client) []byte {
	dst = append(dst, `,"receivedAt":`...)
	dst = strconv.AppendInt(dst, p.now().Unix(), 10)
	ip := c.IP().Unmap()
	switch {
	case !ip.IsValid():
		dst = append(dst, `,"sourceType":"Import","sourceInfo":"`...)
	case ip.Is4():
		dst = append(dst, `,"sourceType":"IP4","sourceInfo":"`...)
		dst = ip.AppendTo(dst)
	default:
		dst = append(dst, `,"sourceType":"IP6","sourceInfo":"`...)
		dst = ip.WithZone("").AppendTo(dst)
	}
	dst = append(dst, '"')
	if p.cfg.Extended {
		dst = append(dst, `,"authed":[`...)
		for i, pk := range c.Authed() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, '"')
			dst = hex.AppendEncode(dst, pk[:])
			dst = append(dst, '"')
		}
		dst = append(dst, ']')
	}
	return append(dst, "}\n"...)
}

// answer is a line from a plugin.
type answer struct {
	ID     string `json:"id"`
	Action string `json:"action"`
	Msg    string `json:"msg"`
}

func parseAnswer(line []byte) (a answer, err error) {
	err = json.Unmarshal(line, &a)
	return a, err
}

// verdict translates the answer; false if its action is none. A message
// without a prefix gets "blocked".
func (a answer) verdict() (policy.Verdict, bool) {
	switch a.Action {
	case "accept":
		return policy.Verdict{}, true
	case "shadowReject":
		return policy.Verdict{Action: policy.Shadow}, true
	case "reject":
		prefix, text := reason.Split(a.Msg)
		if prefix == "" {
			prefix = reason.Blocked
		}
		if text == "" {
			text = "refused by a rule of this relay"
		}
		return policy.Refuse(prefix, text), true
	}
	return policy.Verdict{}, false
}
