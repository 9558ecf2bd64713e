package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// Env holds environment variables by name.
type Env map[string]string

// ReadEnv joins the variables of the process, in the form of os.Environ, with
// those of a .env file; the process wins. A file that does not exist is empty.
func ReadEnv(environ []string, file string) (Env, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the settings file: %w", err)
	}
	env, err := parseDotEnv(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env, nil
}

func (e Env) sorted() []string {
	return slices.Sorted(maps.Keys(e))
}
