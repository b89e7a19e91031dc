// Package files writes files so that a reader never sees half of one.
package files

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces a file when its content or mode differs and says whether it did.
func Write(path string, content []byte, mode os.FileMode) (bool, error) {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		state, err := os.Stat(path)
		if err != nil || state.Mode().Perm() == mode {
			return false, err
		}
		return true, os.Chmod(path, mode)
	}
	directory := filepath.Dir(path)
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return false, err
	}
	file, err := os.CreateTemp(directory, "."+filepath.Base(path)+"-")
	if err != nil {
		return false, err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(content)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return false, err
	}
	return true, os.Rename(file.Name(), path)
}

// Replace is Write for a path that may be a link: the link goes, not the file it leads to.
func Replace(path string, content []byte, mode os.FileMode) error {
	if state, err := os.Lstat(path); err == nil && state.Mode()&os.ModeSymlink != 0 {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	_, err := Write(path, content, mode)
	return err
}

// Link makes path a link to target, whatever was there before.
func Link(target, path string) error {
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
