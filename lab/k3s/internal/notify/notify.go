// Package notify tells systemd that the service is ready.
package notify

import (
	"net"
	"os"
)

// Take returns the socket that systemd gave to this process and hides it from the programs started later:
// several of them would report readiness on their own.
func Take() string {
	socket := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	return socket
}

// Send writes a state such as "READY=1" to the socket; without a socket it does nothing.
func Send(socket, state string) error {
	if socket == "" {
		return nil
	}
	connection, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = connection.Write([]byte(state))
	return err
}
