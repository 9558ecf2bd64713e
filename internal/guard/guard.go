// Package guard ends what this process has started when this process is killed: then
// nothing of its own runs any more that could.
package guard
