package host

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

func TestNameServersThatPodsCannotReach(t *testing.T) {
	for content, usable := range map[string]bool{
		"nameserver 192.0.2.53\nsearch x\n":              true,
		"nameserver 127.0.0.53\n":                        false,
		"nameserver ::1\n":                               false,
		"nameserver 192.0.2.53\nnameserver 127.0.0.53\n": false,
		"# nothing\n":                                    false,
		"nameserver\n":                                   false,
		"nameserver fe80::1%eth0\n":                      true,
	} {
		if usableFromPods(content) != usable {
			t.Errorf("%q: not %v", content, usable)
		}
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := AwaitFreePorts(context.Background(), 0, address); err == nil || !strings.Contains(err.Error(), address) {
		t.Error(err)
	}
	go func() {
		time.Sleep(50 * time.Millisecond)
		listener.Close()
	}()
	if err := AwaitFreePorts(context.Background(), 10*time.Second, address); err != nil {
		t.Error(err)
	}
}
