//go:build !unix

package rawio

import "errors"

const supported = false

func write(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

func read(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
