//go:build !linux

package host

import (
	"errors"
	"os"
)

func canExecMemory() bool { return false }

func createMemory(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func seal(*os.File) error { return errors.ErrUnsupported }

func noexec(string) bool { return false }
