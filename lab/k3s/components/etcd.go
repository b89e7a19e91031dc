package components

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// newEtcdCommand runs the embedded etcd with a configuration file in etcd's own format.
func newEtcdCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:          "etcd",
		Short:        "Run one member of the cluster's database",
		SilenceUsage: true,
		Args:         cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			config, err := embed.ConfigFromFile(file)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			server, err := embed.StartEtcd(config)
			if err != nil {
				return err
			}
			defer server.Close()
			stop := make(chan os.Signal, 1)
			signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
			select {
			case <-server.Server.ReadyNotify():
			case <-server.Server.StopNotify():
				return fmt.Errorf("etcd stopped before it was ready")
			case <-stop:
				return nil
			case <-time.After(2 * time.Minute):
				return fmt.Errorf("etcd found no leader in two minutes")
			}
			select {
			case err := <-server.Err():
				return err
			case <-server.Server.StopNotify():
				return fmt.Errorf("etcd stopped by itself")
			case <-stop:
				return nil
			}
		},
	}
	cmd.Flags().StringVar(&file, "config-file", "", "etcd configuration file")
	return cmd
}
