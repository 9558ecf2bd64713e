package main

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/realtime-ai/realtime-message-go/internal/config"
)

type devCmd struct {
	config.Config `kong:"embed,set='host=localhost',set='host_text=localhost',set='cors=http://localhost:*,https://localhost:*,http://127.0.0.1:*,https://127.0.0.1:*,http://[::1]:*,https://[::1]:*',set='cors_text=any port of localhost',set='relay=chat:*',set='relay_text=chat:*',set='drain=0'"`
	DemoPort      config.Number `env:"DEMO_PORT" min:"0" max:"65535" placeholder:"PORT" help:"A second port to serve at (default: none)."`
}

//go:embed devpage
var devFiles embed.FS

// Run serves until a signal ends it.
func (c *devCmd) Run(out output) error {
	page, err := fs.Sub(devFiles, "devpage")
	if err != nil {
		return fmt.Errorf("opening the page: %w", err)
	}
	s, err := newServer(&c.Config, newLogger(&c.Config, out))
	if err != nil {
		return err
	}
	s.mux.Handle("/", devPage(http.FileServerFS(page)))
	s.ready = func(url string) {
		fmt.Fprintf(out.stdout, "realtime dev: %s (members in memory; open it in two tabs)\n", url)
	}
	if c.DemoPort == 0 {
		return s.run()
	}
	demo, err := s.listen(c.DemoPort, "DEMO_PORT")
	if err != nil {
		return err
	}
	web := s.httpServer()
	defer func() { _ = web.Close() }()
	go func() { _ = serve(web, demo) }() // ends with Close
	ready := s.ready
	s.ready = func(url string) {
		ready(url)
		fmt.Fprintf(out.stdout, "realtime dev: %s (the same)\n", publicURL(string(c.Host), demo[0].Addr()))
	}
	return s.run()
}

// devPage allows the page only what it needs. Browsers ask for it each time;
// no-store would keep it out of their back/forward cache.
func devPage(files http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "+
			"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		files.ServeHTTP(w, r)
	})
}
