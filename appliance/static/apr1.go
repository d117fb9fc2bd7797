package static

import (
	"crypto/md5"
	"strings"
)

// apr1 is the hash that htpasswd writes unless it is told otherwise: MD5, a
// thousand times, in an order that only its inventor could explain.
func apr1(password, salt string) string {
	salt = salt[:min(len(salt), 8)]
	pw := []byte(password)

	inner := md5.Sum([]byte(password + salt + password))
	outer := md5.New()
	outer.Write([]byte(password + "$apr1$" + salt))
	for n := len(pw); n > 0; n -= md5.Size {
		outer.Write(inner[:min(n, md5.Size)])
	}
	for n := len(pw); n > 0; n >>= 1 {
		if n&1 == 1 {
			outer.Write([]byte{0})
		} else {
			outer.Write(pw[:1])
		}
	}
	sum := outer.Sum(nil)

	for i := range 1000 {
		round := md5.New()
		if i%2 == 1 {
			round.Write(pw)
		} else {
			round.Write(sum)
		}
		if i%3 != 0 {
			round.Write([]byte(salt))
		}
		if i%7 != 0 {
			round.Write(pw)
		}
		if i%2 == 1 {
			round.Write(sum)
		} else {
			round.Write(pw)
		}
		sum = round.Sum(nil)
	}

	const digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b strings.Builder
	b.WriteString("$apr1$" + salt + "$")
	put := func(value uint32, n int) {
		for range n {
			b.WriteByte(digits[value&0x3f])
			value >>= 6
		}
	}
	for _, of := range [][3]int{{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}} {
		put(uint32(sum[of[0]])<<16|uint32(sum[of[1]])<<8|uint32(sum[of[2]]), 4)
	}
	put(uint32(sum[11]), 2)
	return b.String()
}
