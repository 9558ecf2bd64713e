//go:build !linux

package procstat

import "errors"

func read(int) (Usage, error) {
	return Usage{}, errors.New("processes can be measured on Linux only")
}
