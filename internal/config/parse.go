package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Parse fills cli from the arguments and, for flags that are not among them,
// from env. Errors name the flag or the variable that a bad value came from.
// Each warning is a sentence for the operator. It names a variable that looks like
// a misspelt setting, or one that has a setting's name by accident.
func Parse(cli any, args []string, env Env, options ...kong.Option) (ctx *kong.Context, warnings []string, err error) {
	p := parser{env: env, vars: map[*kong.Value]string{}}
	options = append(options,
		kong.PostBuild(p.detach),
		kong.ValueFormatter(p.help),
		kong.Resolvers(kong.ResolverFunc(p.resolve)),
	)
	k, err := kong.New(cli, options...)
	if err != nil {
		return nil, nil, err
	}
	ctx, err = k.Parse(args)
	if bad, ok := errors.AsType[*variableError](err); ok {
		return nil, nil, bad
	}
	if err != nil {
		return nil, nil, err
	}
	var settings []string
	for _, flag := range ctx.Flags() {
		if name := p.vars[flag.Value]; name != "" {
			settings = append(settings, name)
		}
	}
	return ctx, hints(env, settings, p.known()), p.unknown()
}

type parser struct {
	env  Env
	vars map[*kong.Value]string // the variable of each flag
}

// detach takes the variables away from kong, which would read them from the
// process environment, without the .env file, and quote bad values, passwords
// included, in its errors.
func (p *parser) detach(k *kong.Kong) error {
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && len(flag.Tag.Envs) > 0 {
			p.vars[flag.Value] = flag.Tag.Envs[0]
			flag.Tag.Envs, flag.Envs = nil, nil
		}
		return next(nil)
	})
}

func (p *parser) help(v *kong.Value) string {
	if name := p.vars[v]; name != "" {
		return strings.TrimSuffix(v.Help, ".") + " ($" + name + ")."
	}
	return v.Help
}

// resolve returns the text that the environment has for a flag, after checking
// that it can be decoded: a later failure would not know the variable's name.
func (p *parser) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	name := p.vars[flag.Value]
	text, ok := p.env[name]
	if name == "" || !ok || isLink(name, text) {
		return nil, nil
	}
	token := kong.Token{Type: kong.FlagValueToken, Value: text}
	decode := &kong.DecodeContext{Value: flag.Value, Scan: kong.ScanFromTokens(token)}
	scratch := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Mapper.Decode(decode, scratch); err != nil {
		return nil, &variableError{name: name, err: err}
	}
	return text, nil
}

type variableError struct {
	name string
	err  error
}

func (e *variableError) Error() string { return e.name + ": " + e.err.Error() }
func (e *variableError) Unwrap() error { return e.err }

// unknown refuses variables with our prefix that no flag has: a misspelt name
// must not silently leave a default in force.
func (p *parser) unknown() error {
	known := slices.DeleteFunc(p.known(), func(name string) bool { return !strings.HasPrefix(name, prefix) })
	for _, name := range p.env.sorted() {
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || isLink(name, p.env[name]) {
			continue
		}
		return fmt.Errorf("%s: no such setting; the names are %s", name, strings.Join(known, ", "))
	}
	return nil
}

// known are the variables of all commands.
func (p *parser) known() []string {
	return slices.Compact(slices.Sorted(maps.Values(p.vars)))
}

const prefix = "PRESENCE_"
