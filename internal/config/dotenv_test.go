package config

import (
	"reflect"
	"strings"
	"testing"
)

// What Node's dotenv 16 makes of each line, or what we say where it says nothing.
func TestParseDotEnv(t *testing.T) {
	for text, want := range map[string]Env{
		"REDIS_URL=redis://:pa$WORD1@h":        {"REDIS_URL": "redis://:pa$WORD1@h"},
		"A=${HOME} $HOME \\$X":                 {"A": "${HOME} $HOME \\$X"},
		`A="$HOME ${X:-y}"`:                    {"A": "$HOME ${X:-y}"},
		"A=1\nB=$A":                            {"A": "1", "B": "$A"},
		"A='$HOME'":                            {"A": "$HOME"},
		"":                                     {},
		"\n \n# A=1\n  # B\n":                  {},
		"\ufeffA=1\r\nB=2\rC=3":                {"A": "1", "B": "2", "C": "3"},
		"  A =  b c  ":                         {"A": "b c"},
		"A=":                                   {"A": ""},
		"A=\nB=2":                              {"A": "", "B": "2"},
		"A=''":                                 {"A": ""},
		"A: b":                                 {"A": "b"},
		"export A=b":                           {"A": "b"},
		"export\tA='b'":                        {"A": "b"},
		"export=b":                             {"export": "b"},
		"exported=b":                           {"exported": "b"},
		"A=b # c":                              {"A": "b"},
		"A=b#c":                                {"A": "b"},
		"A=#c":                                 {"A": ""},
		"A='b # c' # d":                        {"A": "b # c"},
		"A=\"b#c\"#d":                          {"A": "b#c"},
		"A=`it's \"b\"`":                       {"A": `it's "b"`},
		`A='b\nc'`:                             {"A": `b\nc`},
		`A="b\nc\rd\te"`:                       {"A": "b\nc\rd\\te"},
		`A=b\nc`:                               {"A": `b\nc`},
		`A="b\"c"`:                             {"A": `b\"c`},
		"A=\"b\n c\n\nd\"\nB=2":                {"A": "b\n c\n\nd", "B": "2"},
		"A='  b  '":                            {"A": "  b  "},
		"A=b=c==":                              {"A": "b=c=="},
		"A='it's b'":                           {"A": "it's b"},
		"A='b' c #'d'":                         {"A": "'b' c"},
		"A=it's":                               {"A": "it's"},
		"A=b\"c\"":                             {"A": `b"c"`},
		"A=1\nA=2":                             {"A": "2"},
		"a.b-c_1=d":                            {"a.b-c_1": "d"},
		"A=*'()!&;|<>{}[]%^~?,:@/\\":           {"A": "*'()!&;|<>{}[]%^~?,:@/\\"},
		"A={\"a\": \"b\"}":                     {"A": `{"a": "b"}`},
		"A=\"-----BEGIN\nabc==\n-----END\"\n#": {"A": "-----BEGIN\nabc==\n-----END"},
	} {
		if got, err := parseDotEnv(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"A=1\nhunter2":               "line 2 must be",
		"hunter2 = \"a":              "line 1 has a value whose quote",
		"\n\nA='a\nB=hunter2\n":      "line 3 has a value whose quote",
		"A=\"a\nb\"\nC=1\n@=hunter2": "line 4 must be",
		"=hunter2":                   "line 1 must be",
		"hunter2:b":                  "line 1 must be",
		"export":                     "line 1 must be",
	} {
		if _, err := parseDotEnv(text); err == nil || !strings.HasPrefix(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %q", text, err, says)
		}
	}
}

func FuzzParseDotEnv(f *testing.F) {
	f.Add("A=b # c\nexport B=\"x\ny\"\nC: `d`")
	f.Fuzz(func(t *testing.T, text string) {
		env, err := parseDotEnv(text)
		if err != nil && env != nil {
			t.Errorf("%q: both %v and %v", text, env, err)
		}
		for name := range env {
			if name == "" {
				t.Errorf("%q: an empty name", text)
			}
		}
	})
}
