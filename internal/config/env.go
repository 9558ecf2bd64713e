package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// Env holds environment variables by name.
type Env map[string]string

// ReadEnv joins the variables of the process, in the form of os.Environ, with
// those of a .env file; the process wins. A file that does not exist is empty.
func ReadEnv(environ []string, file string) (Env, error) {
	env, err := godotenv.Read(file)
	switch pathErr := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrNotExist):
		env = map[string]string{}
	case errors.As(err, &pathErr):
		return nil, fmt.Errorf("reading the settings file: %w", err)
	case err != nil:
		// The parser's own error quotes the file, secrets included.
		return nil, fmt.Errorf("%s: must hold lines of the form NAME=value, and # comments", file)
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
