package join

import (
	"context"
	"fmt"
	"net/http"

	"k3s/internal/token"
)

// GetBootstrap asks a server for what a further one needs, until it answers.
func GetBootstrap(
	ctx context.Context, server string, given token.Token, log func(format string, args ...any),
) (Bootstrap, error) {
	var answer Bootstrap
	err := insist(ctx, server, log, func() error {
		var err error
		answer, err = bootstrapOnce(ctx, server, given)
		return err
	})
	return answer, err
}

func bootstrapOnce(ctx context.Context, server string, given token.Token) (Bootstrap, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	ca, err := fetchCA(ctx, server, given)
	if err != nil {
		return Bootstrap{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+pathServer, nil)
	if err != nil {
		return Bootstrap{}, err
	}
	request.SetBasicAuth(token.ServerUser, given.Secret)
	var answer Bootstrap
	if err := trusted(server, ca, request, &answer); err != nil {
		return Bootstrap{}, err
	}
	for _, name := range SharedFiles {
		if len(answer.Files[name]) == 0 {
			return Bootstrap{}, fmt.Errorf("%s sent no %s", server, name)
		}
	}
	return answer, nil
}
