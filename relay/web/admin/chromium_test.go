package admin_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/relay/relaytest"
)

// extension is what NIP-07 has a browser know, for tests: the test signs.
const extension = `window.nostr = { signEvent: (event) => new Promise((resolve) => {
	window.signed = resolve;
	window.sign(JSON.stringify(event));
}) };`

// chromium is a page in a browser, told what to do by Chrome's DevTools protocol.
type chromium struct {
	conn *websocket.Conn
	by   relaytest.Key // signs

	mu      sync.Mutex // guards the following
	last    int
	waiting map[int]chan json.RawMessage
	failed  []string
}

// openChromium starts the browser that MOA_CHROMIUM names.
func openChromium(t *testing.T, by relaytest.Key) *chromium {
	t.Helper()
	name := os.Getenv("MOA_CHROMIUM")
	if name == "" {
		t.Skip("MOA_CHROMIUM names no browser")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--remote-debugging-port=0", "--user-data-dir="+filepath.Join(dir, "profile"), "about:blank")
	must(t, cmd.Start())
	c := &chromium{by: by, waiting: map[int]chan json.RawMessage{}}
	t.Cleanup(func() {
		if c.conn != nil {
			c.conn.CloseNow()
		}
		cancel()
		cmd.Wait()
		// Its children may still be at work in the profile.
		testwait.Eventually(t, "the browser's profile is gone", func() bool { return os.RemoveAll(filepath.Join(dir, "profile")) == nil })
	})
	var port string
	testwait.Eventually(t, "the browser listens", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "profile", "DevToolsActivePort"))
		port, _, _ = strings.Cut(string(text), "\n")
		return err == nil && port != ""
	})
	var targets []struct {
		Type string
		URL  string `json:"webSocketDebuggerUrl"`
	}
	testwait.Eventually(t, "the browser has a page", func() bool {
		resp, err := http.Get("http://127.0.0.1:" + port + "/json/list")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return err == nil && json.Unmarshal(text, &targets) == nil && len(targets) > 0 && targets[0].Type == "page"
	})
	var err error
	c.conn, _, err = websocket.Dial(t.Context(), targets[0].URL, nil)
	must(t, err)
	c.conn.SetReadLimit(64 << 20)
	go c.listen(t)
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		c.call(t, domain+".enable", nil)
	}
	c.call(t, "Runtime.addBinding", map[string]any{"name": "sign"})
	c.call(t, "Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": extension})
	return c
}

// listen hands on answers, signs, and notes what the page did wrong.
func (c *chromium) listen(t *testing.T) {
	for {
		_, text, err := c.conn.Read(context.Background())
		if err != nil {
			return
		}
		var m struct {
			ID     int
			Method string
			Params struct {
				Payload string
				Entry   struct{ Level, Text, URL string }
			}
			Result, Error json.RawMessage
		}
		if err := json.Unmarshal(text, &m); err != nil {
			continue
		}
		switch {
		case m.ID != 0:
			c.mu.Lock()
			answer := c.waiting[m.ID]
			delete(c.waiting, m.ID)
			c.mu.Unlock()
			if answer != nil {
				answer <- m.Result
			}
		case m.Method == "Runtime.bindingCalled":
			var e event.Event
			var asked struct {
				Kind      uint16
				CreatedAt int64 `json:"created_at"`
				Tags      []event.Tag
				Content   string
			}
			if err := json.Unmarshal([]byte(m.Params.Payload), &asked); err != nil {
				c.fail("what is to be signed: " + err.Error())
				continue
			}
			e = event.Event{Kind: asked.Kind, CreatedAt: asked.CreatedAt, Tags: asked.Tags, Content: asked.Content}
			go c.call(t, "Runtime.evaluate", map[string]any{"expression": "window.signed(" + string(c.by.Sign(t, e).Raw) + ")"})
		case m.Method == "Log.entryAdded" && m.Params.Entry.Level == "error":
			c.fail(m.Params.Entry.Text + " " + m.Params.Entry.URL)
		case m.Method == "Runtime.exceptionThrown":
			c.fail(string(text))
		}
	}
}

func (c *chromium) fail(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, text)
}

// call calls a method, and returns its result.
func (c *chromium) call(t *testing.T, method string, params any) json.RawMessage {
	answer := make(chan json.RawMessage, 1)
	c.mu.Lock()
	c.last++
	id := c.last
	c.waiting[id] = answer
	c.mu.Unlock()
	text, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err != nil {
		t.Error(err)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), testwait.Patience)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, text); err != nil {
		t.Error(err)
		return nil
	}
	select {
	case result := <-answer:
		return result
	case <-ctx.Done():
		t.Errorf("%s is not answered", method)
		return nil
	}
}

// does has the page evaluate an expression, and returns what it says as text.
func (c *chromium) does(t *testing.T, expression string) string {
	t.Helper()
	var out struct{ Result struct{ Value any } }
	_ = json.Unmarshal(c.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}), &out)
	return fmt.Sprint(out.Result.Value)
}

// sees waits until the page has a text.
func (c *chromium) sees(t *testing.T, text string) {
	t.Helper()
	seen := ""
	defer func() {
		if t.Failed() {
			t.Logf("the page shows\n%s", seen)
		}
	}()
	testwait.Eventually(t, "the page shows "+text, func() bool {
		seen = c.does(t, `document.readyState === "complete" ? document.body.innerText : ""`)
		return strings.Contains(seen, text)
	})
}

// goes opens a page.
func (c *chromium) goes(t *testing.T, url, title string) {
	t.Helper()
	c.call(t, "Page.navigate", map[string]any{"url": url})
	testwait.Eventually(t, "the page is "+title, func() bool {
		return c.does(t, `location.href + " " + document.readyState`) == url+" complete"
	})
	c.sees(t, title)
}

// fills fills a form in, that of an action, and sends it as a person does.
func (c *chromium) fills(t *testing.T, action string, fields ...string) {
	t.Helper()
	script := `(() => { const form = document.querySelector('form[action="` + action + `"]');`
	for i := 0; i+1 < len(fields); i += 2 {
		script += fmt.Sprintf("form.elements[%q].value = %q;", fields[i], fields[i+1])
	}
	c.does(t, script+`form.querySelector("button").click() })()`)
}

// keeps saves what a screen of this width and height shows, light or dark, if
// MOA_SCREENSHOTS names a folder, and finds out whether it fits into the width.
func (c *chromium) keeps(t *testing.T, name string, width int, scheme string) {
	t.Helper()
	c.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
	c.call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}})
	if wide := c.does(t, "document.documentElement.scrollWidth"); wide != fmt.Sprint(width) {
		t.Errorf("%s is %s wide on a screen of %d", name, wide, width)
	}
	dir := os.Getenv("MOA_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data string }
	must(t, json.Unmarshal(c.call(t, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}), &shot))
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("admin-%s-%d-%s.png", name, width, scheme)), png, 0o600))
}
