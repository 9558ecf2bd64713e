package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

type testCLI struct {
	Config
	Redis
}

var testVars = kong.Vars{"host": "", "host_text": "all interfaces", "cors": "", "cors_text": "none", "relay": "chat:*", "relay_text": "chat:*", "drain": "5000"}

func parse(env Env, args ...string) (testCLI, error) {
	var cli testCLI
	_, _, err := Parse(&cli, args, env, testVars)
	return cli, err
}

func TestDefaults(t *testing.T) {
	cli, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := testCLI{
		Config: Config{
			Port: 3000, MaxPayload: 1_000_000, MaxLarge: 256 << 20, RelayEvents: Patterns{"chat:*"},
			Ping: 8000, PingTimeout: 20_000, IdleTimeout: 650_000,
			TTL: 30_000, ReaperInterval: 3000, NodeLease: 4000, AwayAfter: 2000, MaxTick: 1000, MaxGrace: 120_000,
			MaxIDBytes: 256, MaxStateBytes: 16_384, MaxRooms: 100, Drain: 5000, LogFormat: "text",
		},
		Redis: Redis{URL: "redis://localhost:6379", Prefix: "prs:"},
	}
	if !reflect.DeepEqual(cli, want) {
		t.Errorf("got %+v\nwant %+v", cli, want)
	}
	if got := cli.Lookback(); got != time.Minute {
		t.Errorf("lookback %v, want twice the TTL", got)
	}
}

type setting struct {
	variable, flag string
	good           string
	get            func(testCLI) any
	want           any
	bad            []string
}

// Each setting, by variable and by flag, with a good value and bad ones.
var settings = []setting{
	{"HOST", "--host", "127.0.0.1", func(c testCLI) any { return c.Host }, Host("127.0.0.1"), []string{"a b", "localhost:80", "[::1]"}},
	{"PORT", "--port", "8080", func(c testCLI) any { return c.Port }, Number(8080), []string{"", "http", "-1", "65536", "80.5", " 80"}},
	{"REDIS_URL", "--redis-url", "rediss://h:1/2", func(c testCLI) any { return c.URL }, RedisURL("rediss://h:1/2"), []string{"", "localhost:6379", "http://h", "redis://h/x", "redis://h:x", "redis:h", "redis://h/-1", "redis://h?databse=1", "redis://h?ca_file=/x", "unix://run/r.sock", " redis://h"}},
	{"REDIS_PREFIX", "--redis-prefix", "app1:", func(c testCLI) any { return c.Prefix }, RedisPrefix("app1:"), []string{"", "a b", " prs:", "{a}:", "a}", "a\tb", strings.Repeat("x", 129)}},
	{"CORS_ORIGINS", "--cors-origins", "https://a.example, http://b.example:8080", func(c testCLI) any { return c.CORSOrigins }, Origins{"https://a.example", "http://b.example:8080"}, []string{"a.example", "https://a.example/x", "https://*x.example", "https://*", "wss://a.example", "null"}},
	{"ALLOWED_HOSTS", "--allowed-hosts", "a.example, *.b.example:8080", func(c testCLI) any { return c.AllowedHosts }, Hosts{"a.example", "*.b.example:8080"}, []string{"https://a.example", "*", "::1"}},
	{"RELAY_EVENTS", "--relay-events", "chat:*,cursor", func(c testCLI) any { return c.RelayEvents }, Patterns{"chat:*", "cursor"}, []string{"a*b", "presence:join", "chat:*,connect"}},
	{"MAX_PAYLOAD", "--max-payload", "5000", func(c testCLI) any { return c.MaxPayload }, Number(5000), []string{"1MB", "999"}},
	{"MAX_LARGE_BYTES", "--max-large-bytes", "5000000", func(c testCLI) any { return c.MaxLarge }, Number(5_000_000), []string{"256MB", "0"}},
	{"PING_INTERVAL_MS", "--ping-interval-ms", "25000", func(c testCLI) any { return c.Ping }, Number(25_000), []string{"0", "99", "8s"}},
	{"PING_TIMEOUT_MS", "--ping-timeout-ms", "5000", func(c testCLI) any { return c.PingTimeout }, Number(5000), []string{"0", "x"}},
	{"IDLE_TIMEOUT_MS", "--idle-timeout-ms", "60000", func(c testCLI) any { return c.IdleTimeout }, Number(60_000), []string{"0", "x"}},
	{"MAX_CONNECTIONS", "--max-connections", "500", func(c testCLI) any { return c.MaxConnections }, Number(500), []string{"0", "-1", "x"}},
	{"PRESENCE_TTL_MS", "--presence-ttl-ms", "1000", func(c testCLI) any { return c.TTL }, Number(1000), []string{"0", "-1", "999", "1s", "9223372036854775808"}},
	{"PRESENCE_REAPER_INTERVAL_MS", "--presence-reaper-interval-ms", "100", func(c testCLI) any { return c.ReaperInterval }, Number(100), []string{"0", "x"}},
	{"PRESENCE_REAPER_LOOKBACK_MS", "--presence-reaper-lookback-ms", "2000", func(c testCLI) any { return c.ReaperLookback }, Number(2000), []string{"0", "x"}},
	{"PRESENCE_NODE_LEASE_MS", "--presence-node-lease-ms", "3000", func(c testCLI) any { return c.NodeLease }, Number(3000), []string{"2999", "x"}},
	{"PRESENCE_AWAY_AFTER_MS", "--presence-away-after-ms", "100", func(c testCLI) any { return c.AwayAfter }, Number(100), []string{"0", "x"}},
	{"PRESENCE_MAX_TICK_MS", "--presence-max-tick-ms", "100", func(c testCLI) any { return c.MaxTick }, Number(100), []string{"0", "60001"}},
	{"PRESENCE_MAX_GRACE_MS", "--presence-max-grace-ms", "100", func(c testCLI) any { return c.MaxGrace }, Number(100), []string{"0", "x"}},
	{"PRESENCE_MAX_ID_BYTES", "--presence-max-id-bytes", "64", func(c testCLI) any { return c.MaxIDBytes }, Number(64), []string{"0", "x"}},
	{"PRESENCE_MAX_STATE_BYTES", "--presence-max-state-bytes", "64", func(c testCLI) any { return c.MaxStateBytes }, Number(64), []string{"0", "x"}},
	{"PRESENCE_MAX_ROOMS", "--presence-max-rooms", "3", func(c testCLI) any { return c.MaxRooms }, Number(3), []string{"0", "x"}},
	{"DRAIN_MS", "--drain-ms", "0", func(c testCLI) any { return c.Drain }, Number(0), []string{"-1", "3600001", "5s"}},
	{"LOG_LEVEL", "--log-level", "debug", func(c testCLI) any { return c.LogLevel.String() }, "DEBUG", []string{"", "loud", "info+1"}},
	{"LOG_FORMAT", "--log-format", "json", func(c testCLI) any { return c.LogFormat }, LogFormat("json"), []string{"", "xml"}},
}

func TestSettings(t *testing.T) {
	for _, s := range settings {
		t.Run(s.variable, func(t *testing.T) {
			byEnv, err := parse(Env{s.variable: s.good})
			if err != nil || !reflect.DeepEqual(s.get(byEnv), s.want) {
				t.Errorf("from the environment: got %v, %v; want %v", s.get(byEnv), err, s.want)
			}
			byFlag, err := parse(Env{s.variable: s.bad[0]}, s.flag, s.good)
			if err != nil || !reflect.DeepEqual(s.get(byFlag), s.want) {
				t.Errorf("flag over environment: got %v, %v; want %v", s.get(byFlag), err, s.want)
			}
			for _, bad := range s.bad {
				if _, err := parse(Env{s.variable: bad}); err == nil || !strings.HasPrefix(err.Error(), s.variable+": must ") {
					t.Errorf("%s=%q: error %v does not name the variable", s.variable, bad, err)
				}
				if _, err := parse(nil, s.flag+"="+bad); err == nil || !strings.HasPrefix(err.Error(), s.flag) {
					t.Errorf("%s=%q: error %v does not name the flag", s.flag, bad, err)
				}
			}
		})
	}
}

// The table above must not fall behind the structs.
func TestEverySettingIsTested(t *testing.T) {
	for f := range reflect.TypeFor[testCLI]().Fields() {
		for g := range f.Type.Fields() {
			name := g.Tag.Get("env")
			if !slices.ContainsFunc(settings, func(s setting) bool { return s.variable == name }) {
				t.Errorf("no test for %s (%q)", g.Name, name)
			}
		}
	}
}

// What is not a plain whole number is refused by every setting that takes one.
func TestNonsenseNumbers(t *testing.T) {
	numbers := 0
	for _, s := range settings {
		if _, ok := s.want.(Number); !ok {
			continue
		}
		numbers++
		for _, bad := range []string{
			"", " ", "-1", "-9223372036854775809", "9223372036854775807", "99999999999999999999", "1.5", "1e3", "0x10", "1_000", "+5000",
			" 5000", "5000 ", "5000\n", "5s", "5000ms", "5k", "1,000", "NaN", "Inf", "null", "true", "\uff15\uff10\uff10\uff10",
		} {
			if _, err := parse(Env{s.variable: bad}); err == nil || !strings.HasPrefix(err.Error(), s.variable+": must be a whole number from ") {
				t.Errorf("%s=%q: error %v", s.variable, bad, err)
			}
		}
	}
	if numbers < 10 {
		t.Errorf("only %d settings are numbers", numbers)
	}
}

func TestEmptyListsAreNone(t *testing.T) {
	cli, err := parse(Env{"RELAY_EVENTS": "", "CORS_ORIGINS": "", "HOST": ""})
	if err != nil || len(cli.RelayEvents) != 0 || len(cli.CORSOrigins) != 0 {
		t.Errorf("got %v %v, %v", cli.RelayEvents, cli.CORSOrigins, err)
	}
}

func TestPasswordsStayOut(t *testing.T) {
	for _, bad := range []string{"http://u:hunter2@h", "redis://u:hunter2@h:x", "redis://u:hunter2@h/x", "hunter2"} {
		for _, err := range []error{second(parse(Env{"REDIS_URL": bad})), second(parse(nil, "--redis-url", bad))} {
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
	for in, want := range map[RedisURL]string{
		"redis://u:hunter2@h:1/2?client_name=x": "redis://redacted@h:1/2",
		"redis://localhost:6379":                "redis://localhost:6379",
		"unix:///run/redis.sock":                "unix:///run/redis.sock",
	} {
		if got := in.Redacted(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func second(_ testCLI, err error) error { return err }

func TestUnknownVariables(t *testing.T) {
	for _, name := range []string{"PRESENCE_TTL", "PRESENCE_", "PRESENCE_MAX_ROOM", "PRESENCE_SERVICE"} {
		if _, err := parse(Env{name: "1"}); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: error %v does not name it", name, err)
		}
	}
	others := Env{
		"PRESENCE_PORT": "tcp://10.0.0.1:3000", "PRESENCE_PORT_3000_TCP": "x", "PRESENCE_SERVICE_HOST": "10.0.0.1",
		"PATH": "/bin", "MY_PRESENCE_TTL": "x",
	}
	if _, err := parse(others); err != nil {
		t.Error(err)
	}
}

func TestPingInterval(t *testing.T) {
	for _, test := range []struct {
		ping, lookback Number
		want           time.Duration
	}{
		{8000, 0, 8 * time.Second},
		{8000, 1000, 500 * time.Millisecond},
		{25_000, 120_000, 25 * time.Second},
		{90_000, 0, 30 * time.Second},
	} {
		c := Config{TTL: 30_000, Ping: test.ping, ReaperLookback: test.lookback}
		if got := c.PingInterval(); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

func TestReadEnv(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if env, err := ReadEnv([]string{"PORT=1"}, file); err != nil || env["PORT"] != "1" {
		t.Errorf("without a file: %v, %v", env, err)
	}
	write("# settings\nPORT=2\nexport LOG_LEVEL=warn\nREDIS_URL='redis://h?db=1'\n")
	env, err := ReadEnv([]string{"PORT=1"}, file)
	want := Env{"PORT": "1", "LOG_LEVEL": "warn", "REDIS_URL": "redis://h?db=1"}
	if err != nil || !reflect.DeepEqual(env, want) {
		t.Errorf("got %v, %v; want %v", env, err, want)
	}
	write("@hunter2=1\n")
	if _, err := ReadEnv(nil, file); err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a bad file: %v", err)
	}
	if _, err := ReadEnv(nil, t.TempDir()); err == nil {
		t.Error("a directory was read")
	}
}

func TestHelpNamesVariables(t *testing.T) {
	var out strings.Builder
	var cli testCLI
	exited := false
	_, _, _ = Parse(&cli, []string{"--help"}, nil, testVars, kong.Writers(&out, &out), kong.Exit(func(int) { exited = true }))
	if !exited {
		t.Fatal("no help")
	}
	for _, s := range settings {
		if !strings.Contains(out.String(), "($"+s.variable+")") {
			t.Errorf("help does not name %s", s.variable)
		}
	}
}
