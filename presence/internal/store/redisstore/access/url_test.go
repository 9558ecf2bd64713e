package access

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string]Location{
		"redis://h":                  {addrs: []string{"h:6379"}},
		"redis://":                   {addrs: []string{"localhost:6379"}},
		"valkey://[::1]:7/3":         {addrs: []string{"[::1]:7"}, db: 3},
		"redis://u:p%23%2F%40@h:1/0": {addrs: []string{"h:1"}, user: "u", password: "p#/@"},
		"redis://:$WORD1@h":          {addrs: []string{"h:6379"}, password: "$WORD1"},
		"unix://u:p@/r.sock?db=2":    {unix: true, addrs: []string{"/r.sock"}, user: "u", password: "p", db: 2},
		"redis://h:1?addr=i:2&addr=j:3&publish=plain&protocol=2&client_name=me&dial_timeout=3s": {
			addrs: []string{"h:1", "i:2", "j:3"}, Plain: true, resp2: true, clientName: "me", dialTimeout: 3 * time.Second,
		},
		"rediss://h?master_set=m&sentinel_username=s&sentinel_password=p%26&sentinel_tls=false": {
			tls: true, addrs: []string{"h:6379"}, MasterSet: "m", sentinelUser: "s", sentinelPassword: "p&",
		},
		"redis://h?master_set=m&sentinel_tls=true&ca_file=/ca.pem": {
			addrs: []string{"h:6379"}, MasterSet: "m", sentinelTLS: true, caFile: "/ca.pem",
		},
		"valkeys://h?cert_file=c&key_file=k&server_name=n": {
			tls: true, sentinelTLS: true, addrs: []string{"h:6379"}, certFile: "c", keyFile: "k", serverName: "n",
		},
	} {
		if got, err := parseURL(text); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{
		"http://u:secret@h":                                "begin with",
		"h:6379":                                           "begin with",
		"secret":                                           "begin with",
		"redis:secret:6379":                                "form",
		"redis://:1234#secret@h":                           "%23",
		"redis://u:sec#ret@h":                              "%23",
		"redis://u:12?secret@h":                            "%3F",
		"redis://u:1/secret@h":                             "%2F",
		"redis://h/x":                                      "database",
		"redis://h/-1":                                     "database",
		"redis://h/1/2":                                    "database",
		"redis://h/65536":                                  "database",
		"redis://h/1?db=1":                                 "twice",
		"redis://h?db=1&db=2":                              "more than once",
		"redis://h:0":                                      "65535",
		"redis://h:65536":                                  "65535",
		"redis://h?addr=i":                                 "host and a port",
		"redis://h?addr=i:x":                               "host and a port",
		"redis://h?addr=:1":                                "host and a port",
		"redis://h?master_set=":                            "empty",
		"redis://h?masterset=m":                            "masterset",
		"redis://h?max_retries=3":                          "max_retries",
		"redis://h?write_timeout=3s":                       "write_timeout",
		"redis://h?publish=loud":                           "plain",
		"redis://h?protocol=4":                             "2 or 3",
		"redis://h?client_name=a%20b":                      "client_name",
		"redis://h?dial_timeout=5":                         "dial_timeout",
		"redis://h?dial_timeout=-5s":                       "dial_timeout",
		"redis://h?dial_timeout=1h":                        "dial_timeout",
		"redis://h?ca_file=x":                              "rediss://",
		"redis://h?skip_verify=true":                       "rediss://",
		"rediss://h?cert_file=x":                           "together",
		"rediss://h?key_file=x":                            "together",
		"rediss://h?skip_verify=true&ca_file=x":            "skip_verify",
		"rediss://h?skip_verify=maybe":                     "true or false",
		"redis://h?sentinel_password=secret":               "master_set",
		"redis://h?sentinel_tls=true":                      "master_set",
		"redis://h?master_set=m&sentinel_username=secret":  "sentinel_password",
		"redis://h?master_set=m&sentinel_tls=secret":       "true or false",
		"redis://h?master_set=m&sentinel_password=sec;ret": "%3B",
		"unix://run/r.sock":                                "three slashes",
		"unix://":                                          "three slashes",
		"unix:///r.sock?addr=h:1":                          "one Redis",
		"unix:///r.sock?master_set=m":                      "one Redis",
		"unix:///r.sock?ca_file=x":                         "rediss://",
	} {
		_, err := parseURL(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one with %q", text, err, says)
		}
	}
}

// Options that contradict each other, or that cannot work.
func TestBadOptions(t *testing.T) {
	for says, o := range map[string]Options{
		"Options.TTL":                            {URL: "redis://h", TTL: -time.Second},
		"Options.TTL is 10":                      {URL: "redis://h", TTL: 100_000 * time.Hour},
		"Options.DialTimeout is -":               {URL: "redis://h", DialTimeout: -1},
		"Options.DialTimeout is 1h":              {URL: "redis://h", DialTimeout: time.Hour},
		"DialTimeout and dial_timeout":           {URL: "redis://h?dial_timeout=1s", DialTimeout: time.Second},
		"Options.Prefix: it has a control":       {URL: "redis://h", Prefix: "a\nb"},
		"Options.Prefix: it is longer":           {URL: "redis://h", Prefix: strings.Repeat("x", 129)},
		"Options.Prefix: it has a brace":         {URL: "redis://h", Prefix: "a}"},
		"need a master_set":                      {URL: "redis://h", SentinelPassword: "p"},
		"needs a SentinelPassword":               {URL: "redis://h?master_set=m", SentinelUsername: "u"},
		"SentinelPassword and sentinel_password": {URL: "redis://h?master_set=m&sentinel_password=x", SentinelPassword: "p"},
	} {
		if _, err := o.Normalize(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v", says, err)
		}
	}
}
