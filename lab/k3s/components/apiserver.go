package components

import (
	"net/http"

	"github.com/spf13/cobra"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/version/verflag"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"k3s/internal/join"
)

// newAPIServerCommand is upstream's kube-apiserver that also answers the few paths by which k3s nodes
// join (/cacerts, /ping, /v1-k3s/…) on the same port, ahead of Kubernetes' own authentication.
func newAPIServerCommand() *cobra.Command {
	gates := apiServerGates()
	settings := options.NewServerRunOptions()
	var joinFile string
	cmd := &cobra.Command{
		Use:          "kube-apiserver",
		SilenceUsage: true,
		Args:         cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			rest.SetDefaultWarningHandler(rest.NoWarnings{})
			return registry.Set()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			verflag.PrintAndExitIfRequested()
			if err := logsapi.ValidateAndApply(settings.Logs, gates); err != nil {
				return err
			}
			completed, err := complete(cmd.Context(), settings)
			if err != nil {
				return err
			}
			if problems := completed.Validate(); len(problems) != 0 {
				return utilerrors.NewAggregate(problems)
			}
			gates.AddMetrics()
			supervisor, err := join.NewHandler(joinFile)
			if err != nil {
				return err
			}
			return runAPIServer(cmd, completed, supervisor)
		},
	}
	cmd.SetContext(genericapiserver.SetupSignalContext())
	cmd.Flags().StringVar(&joinFile, "k3s-join-config", "", "what the join endpoints serve, written by the launcher")
	sets := settings.Flags()
	verflag.AddFlags(sets.FlagSet("global"))
	globalflag.AddGlobalFlags(sets.FlagSet("global"), cmd.Name(), logs.SkipLoggingConfigurationFlags())
	options.AddCustomGlobalFlags(sets.FlagSet("generic"))
	for _, set := range sets.FlagSets {
		cmd.Flags().AddFlagSet(set)
	}
	return cmd
}

func runAPIServer(cmd *cobra.Command, settings options.CompletedOptions, supervisor http.Handler) error {
	config, err := app.NewConfig(settings)
	if err != nil {
		return err
	}
	outer := config.Aggregator.GenericConfig
	build := outer.BuildHandlerChainFunc
	outer.BuildHandlerChainFunc = func(handler http.Handler, c *genericapiserver.Config) http.Handler {
		return join.Mux(supervisor, build(handler, c))
	}
	completed, err := config.Complete()
	if err != nil {
		return err
	}
	server, err := app.CreateServerChain(completed)
	if err != nil {
		return err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(cmd.Context())
}
