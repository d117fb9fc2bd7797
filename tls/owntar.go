package certs

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// Limits of what somebody may send: a certificate and its key are a few
// thousand bytes.
const (
	maxArchive = 4 << 20
	maxFiles   = 100
)

// ReadBundle returns the PEM in what somebody sends: PEM itself, or a tar
// archive, perhaps compressed with gzip, of files of PEM. What the files are
// called and where they would go does not matter: nothing is unpacked.
func ReadBundle(r io.Reader) ([]byte, error) {
	in := bufio.NewReader(io.LimitReader(r, maxArchive))
	if head, _ := in.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, Finding{What: "it looks like a gzip file, and cannot be read as one"}
		}
		in = bufio.NewReader(io.LimitReader(unzipped, maxArchive))
	}
	head, err := in.Peek(512)
	if len(head) == 0 && err != nil {
		return nil, Finding{"nothing came in", "send the certificate and its key: cat server.crt server.key | ..."}
	}
	if len(head) < 512 || !bytes.HasPrefix(head[257:], []byte("ustar")) {
		text, err := io.ReadAll(in)
		if err != nil {
			return nil, Finding{What: "it cannot be read to its end"}
		}
		return checkPEM(text)
	}
	return readArchive(tar.NewReader(in))
}

func readArchive(files *tar.Reader) ([]byte, error) {
	var text []byte
	for range maxFiles {
		file, err := files.Next()
		if errors.Is(err, io.EOF) {
			return checkPEM(text)
		}
		if err != nil {
			return nil, Finding{What: "it looks like a tar archive, and cannot be read as one"}
		}
		if file.Typeflag != tar.TypeReg {
			continue // links lead nowhere here
		}
		content, err := io.ReadAll(io.LimitReader(files, maxBundle+1))
		if err != nil {
			return nil, Finding{What: "it looks like a tar archive, and cannot be read as one"}
		}
		if !bytes.Contains(content, []byte("-----BEGIN ")) {
			continue // a README, or what macOS puts beside each file
		}
		text = append(append(text, content...), '\n')
		if len(text) > maxBundle {
			return nil, tooLong()
		}
	}
	return nil, Finding{What: fmt.Sprintf("there are more than %d files in it", maxFiles)}
}

func checkPEM(text []byte) ([]byte, error) {
	if len(text) > maxBundle {
		return nil, tooLong()
	}
	if !bytes.Contains(text, []byte("-----BEGIN ")) {
		return nil, Finding{"there is no PEM in it: no line that begins with -----BEGIN", "of a .p12 or .pfx file, openssl pkcs12 -in server.pfx -nodes makes PEM"}
	}
	return text, nil
}

func tooLong() error {
	return Finding{What: fmt.Sprintf("there is more than %d KiB of PEM in it", maxBundle>>10)}
}
