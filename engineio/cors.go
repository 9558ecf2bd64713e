package engineio

import (
	"net/http"
	"net/url"
	"strings"
)

// preflightAge is how many seconds a browser may remember the answer to a preflight.
const preflightAge = "600"

// checkOrigin says whether the page that sent r may connect, and sets the CORS headers that let it
// read the answer.
func (srv *Server) checkOrigin(w http.ResponseWriter, r *http.Request) bool {
	if len(srv.cfg.AllowedOrigins) == 0 {
		return true
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if !srv.listed(origin) {
		return sameOrigin(origin, r.Host)
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	return true
}

func (srv *Server) listed(origin string) bool {
	for _, o := range srv.cfg.AllowedOrigins {
		if o == "*" || strings.EqualFold(o, origin) {
			return true
		}
	}
	return false
}

// sameOrigin compares hosts only: behind a proxy that ends TLS the scheme is not known here.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// preflight answers an OPTIONS request; without the headers of checkOrigin it allows nothing.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Max-Age", preflightAge)
		if ask := r.Header.Get("Access-Control-Request-Headers"); ask != "" {
			h.Set("Access-Control-Allow-Headers", ask)
			h.Add("Vary", "Access-Control-Request-Headers")
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
