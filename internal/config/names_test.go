package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// What Kubernetes sets for Services, and Docker for links, is let through,
// whatever they are called.
func TestServicesAndLinks(t *testing.T) {
	env := Env{"HOST": "127.0.0.1"}
	for _, service := range []string{"PRESENCE", "PRESENCE_REDIS", "PRESENCE_MAX", "PRESENCE_TTL", "PRESENCE_MAX_ROOMS", "REDIS", "DEMO", "LOG", "CORS", "PRESENCE_2"} {
		env[service+"_SERVICE_HOST"] = "10.0.0.1"
		env[service+"_SERVICE_PORT"] = "6379"
		env[service+"_SERVICE_PORT_HTTP"] = "6379"
		env[service+"_SERVICE_PORT_WEB_2"] = "6379"
		env[service+"_PORT"] = "tcp://10.0.0.1:6379"
		for _, proto := range []string{"TCP", "UDP", "SCTP"} {
			env[service+"_PORT_6379_"+proto] = "tcp://10.0.0.1:6379"
			env[service+"_PORT_6379_"+proto+"_PROTO"] = "tcp"
			env[service+"_PORT_6379_"+proto+"_PORT"] = "6379"
			env[service+"_PORT_6379_"+proto+"_ADDR"] = "10.0.0.1"
		}
		env[service+"_NAME"] = "/web/redis"
		env[service+"_ENV_REDIS_VERSION"] = "7"
	}
	var cli testCLI
	_, warnings, err := Parse(&cli, nil, env, testVars)
	if err != nil || len(warnings) != 0 {
		t.Errorf("%v, %q", err, warnings)
	}
	if cli.MaxRooms != 100 || cli.TTL != 30_000 {
		t.Errorf("settings were changed: %+v", cli)
	}
	for name, value := range map[string]string{
		"PRESENCE_REDIS_PORT": "6379", "PRESENCE_NAME": "x", "PRESENCE_SERVICE": "x", "PRESENCE_PORT_TCP": "x",
		"PRESENCE_SERVICE_TTL": "1", "PRESENCE_TTL": "tcp://x",
	} {
		if _, err := parse(Env{name: value}); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s=%s: error %v does not name it", name, value, err)
		}
	}
}

// A Service may be called so that one of its variables is a setting's.
func TestServiceWithTheNameOfASetting(t *testing.T) {
	var cli struct {
		testCLI
		DemoPort Number `env:"DEMO_PORT" min:"0" max:"65535"`
	}
	env := Env{"DEMO_PORT": "tcp://10.0.0.1:80", "PORT": "tcp://10.0.0.1:80"}
	_, warnings, err := Parse(&cli, nil, env, testVars)
	if err != nil || cli.DemoPort != 0 || cli.Port != 3000 {
		t.Errorf("%v, %+v", err, cli)
	}
	if len(warnings) != 2 || !strings.HasPrefix(warnings[0], "DEMO_PORT is ignored") || !strings.HasPrefix(warnings[1], "PORT is ignored") {
		t.Errorf("warnings %q", warnings)
	}
}

func TestMisspeltSettings(t *testing.T) {
	for name, meant := range map[string]string{
		"CORS_ORIGIN": "CORS_ORIGINS", "LOGLEVEL": "LOG_LEVEL", "LOG_LEVL": "LOG_LEVEL", "cors_origins": "CORS_ORIGINS",
		"CORS_ORGIINS": "CORS_ORIGINS", "RELAY_EVENT": "RELAY_EVENTS", "DRAINMS": "DRAIN_MS", "REDIS_URI": "REDIS_URL",
		"REDISURL": "REDIS_URL", "LOG_FORMATS": "LOG_FORMAT", "MAX_PAYLOADS": "MAX_PAYLOAD", "port": "PORT", "_HOST": "HOST",
		"REDIS_PREFIX_": "REDIS_PREFIX", "LOG_LEVEK": "LOG_LEVEL",
	} {
		var cli testCLI
		_, warnings, err := Parse(&cli, nil, Env{name: "x"}, testVars)
		if err != nil || len(warnings) != 1 || !strings.HasPrefix(warnings[0], name+" ") || !strings.Contains(warnings[0], meant) {
			t.Errorf("%s: %v, %q", name, err, warnings)
		}
	}
	ordinary := Env{}
	for _, name := range strings.Fields("PATH HOME HOSTNAME HOSTTYPE PWD OLDPWD SHELL SHLVL TERM LANG LC_ALL USER LOGNAME MAIL TMPDIR EDITOR " +
		"POST HOSTS PORTS SORT GOST HTTP_PROXY NO_PROXY REDIS_HOST REDIS_PASSWORD NODE_ENV LOG LOGS LOG_DIR DEBUG GOMAXPROCS GOMEMLIMIT CORS ORIGINS " +
		"KUBERNETES_PORT KUBERNETES_SERVICE_HOST WINDOWID DISPLAY MAX_CONN INVOCATION_ID JOURNAL_STREAM") {
		ordinary[name] = "x"
	}
	var cli testCLI
	if _, warnings, err := Parse(&cli, nil, ordinary, testVars); err != nil || len(warnings) != 0 {
		t.Errorf("%v, %q", err, warnings)
	}
}

// Only the settings of the command that runs are guessed at, and settings of
// another command are no mistakes.
func TestMisspeltForTheCommand(t *testing.T) {
	var cli struct {
		One struct {
			RoomCount Number `env:"ROOM_COUNT" min:"0" max:"9"`
		} `cmd:""`
		Two struct {
			RoomCounts Number `env:"ROOM_COUNTS" min:"0" max:"9"`
			Talkers    Number `env:"TALKERS" min:"0" max:"9"`
		} `cmd:""`
	}
	_, warnings, err := Parse(&cli, []string{"one"}, Env{"ROOM_COUNTS": "1", "TALKER": "1", "ROOMCOUNT": "1"}, kong.Vars{})
	if err != nil || !slices.Equal(warnings, []string{"ROOMCOUNT is no setting and has no effect; is ROOM_COUNT meant?"}) {
		t.Errorf("%v, %q", err, warnings)
	}
}
