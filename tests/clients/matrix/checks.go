// Go's own net/http: the checks of the matrix. Prints the version and one line of JSON for each check.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

const down, up = 100 << 20, 20 << 20

var errNone = errors.New("no WebSocket in the standard library")
var client = &http.Client{Timeout: 60 * time.Second}

func expect(found, wanted string) error {
	if found != wanted {
		return fmt.Errorf("%.300q instead of %q", found, wanted)
	}
	return nil
}

func ask(method, url string, body []byte) (*http.Response, string, error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return answer, string(content), err
}

func text(url, wanted string) error {
	_, found, err := ask("GET", url, nil)
	if err != nil {
		return err
	}
	return expect(found, wanted)
}

func refused(url string, status int, reason string) error {
	answer, content, err := ask("GET", url, nil)
	if err != nil {
		return err
	}
	var problem struct{ Reason string }
	if err := json.Unmarshal([]byte(content), &problem); err != nil {
		return err
	}
	return expect(fmt.Sprint(answer.StatusCode, problem.Reason), fmt.Sprint(status, reason))
}

func get() error {
	answer, content, err := ask("GET", os.Getenv("WEB")+"/version", nil)
	if err != nil {
		return err
	}
	found := fmt.Sprint(answer.StatusCode, answer.Header.Get("x-version"), content)
	if err := expect(found, fmt.Sprint(200, "HTTP/2.0", "HTTP/2.0\n")); err != nil {
		return err
	}
	return text(os.Getenv("OLD")+"/version", "HTTP/1.1\n")
}

func post() error {
	_, content, err := ask("POST", os.Getenv("WEB")+"/echo", []byte("the body"))
	if err != nil {
		return err
	}
	var echo struct{ Method, Body string }
	if err := json.Unmarshal([]byte(content), &echo); err != nil {
		return err
	}
	return expect(echo.Method+" "+echo.Body, "POST the body")
}

func stream() error {
	answer, err := client.Get(os.Getenv("WEB") + "/parts/" + os.Getenv("NAME"))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	first := make([]byte, 4)
	if _, err := io.ReadFull(answer.Body, first); err != nil {
		return err
	}
	if _, _, err := ask("GET", os.Getenv("WEB")+"/more/"+os.Getenv("NAME"), nil); err != nil {
		return err
	}
	rest, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	return expect(string(first)+string(rest), "one\ntwo\n")
}

func large() error {
	answer, err := client.Get(fmt.Sprint(os.Getenv("WEB"), "/stream/", down))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, answer.Body); err != nil {
		return err
	}
	return expect(hex.EncodeToString(digest.Sum(nil)), os.Getenv("DIGEST"))
}

func upload() error {
	body := bytes.Repeat([]byte("0123456789abcdef"), up/16)
	_, content, err := ask("POST", os.Getenv("WEB")+"/upload", body)
	if err != nil {
		return err
	}
	if digest := sha256.Sum256(body); !strings.Contains(content, hex.EncodeToString(digest[:])) {
		return errors.New(content)
	}
	return nil
}

func http2() error {
	answer, _, err := ask("GET", os.Getenv("WEB")+"/version", nil)
	if err != nil {
		return err
	}
	return expect(answer.Proto, "HTTP/2.0")
}

func redirect() error {
	if err := text(os.Getenv("WEB")+"/moved?"+os.Getenv("OLD")+"/version", "HTTP/1.1\n"); err != nil {
		return err
	}
	return refused(os.Getenv("WEB")+"/moved?"+os.Getenv("DENIED")+"/", 403, "host_not_allowed")
}

func main() {
	print := json.NewEncoder(os.Stdout).Encode
	print(map[string]string{"version": strings.TrimPrefix(runtime.Version(), "go")})
	checks := []struct {
		name string
		work func() error
	}{
		{"get", get}, {"post", post}, {"stream", stream}, {"down", large}, {"up", upload}, {"http2", http2},
		{"compressed", func() error { return text(os.Getenv("WEB")+"/gzip", "hello in gzip\n") }},
		{"redirect", redirect},
		{"denied", func() error { return refused(os.Getenv("DENIED")+"/", 403, "host_not_allowed") }},
		{"certificate", func() error { return refused(os.Getenv("EXPIRED")+"/", 502, "upstream_tls_expired") }},
		{"websocket", func() error { return errNone }},
	}
	for _, check := range checks {
		result, why := "pass", ""
		if err := check.work(); errors.Is(err, errNone) {
			result, why = "none", err.Error()
		} else if err != nil {
			result, why = "fail", err.Error()
		}
		print(map[string]string{"check": check.name, "result": result, "why": why})
	}
}
