package main

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/realtime-ai/realtime-message-go/internal/config"
)

type devCmd struct {
	config.Config `kong:"embed,set='cors=*',set='cors_text=*',set='relay=chat:*',set='relay_text=chat:*',set='drain=0'"`
}

//go:embed devpage
var devFiles embed.FS

// Run serves until a signal ends it.
func (c *devCmd) Run(out output) error {
	page, err := fs.Sub(devFiles, "devpage")
	if err != nil {
		return fmt.Errorf("opening the page: %w", err)
	}
	s, err := newServer(&c.Config, newLogger(&c.Config, out.stderr))
	if err != nil {
		return err
	}
	s.mux.Handle("/", devPage(http.FileServerFS(page)))
	s.ready = func(url string) {
		fmt.Fprintf(out.stdout, "realtime dev: %s (members in memory; open it in two tabs)\n", url)
	}
	return s.run()
}

func devPage(files http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws: wss:")
		files.ServeHTTP(w, r)
	})
}
