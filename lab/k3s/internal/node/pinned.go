package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// imageAddress is where the kubelet asks about images.
	imageAddress = RunDir + "/images.sock"
	pinnedFilter = `labels."io.cri-containerd.pinned"==pinned`
	// A list of many images is longer than what gRPC takes by default.
	longestMessage = 16 << 20
)

// pinnedImages is containerd's image service that also says which images are pinned: containerd 1.6 keeps the label
// and does not tell the kubelet, which would then delete imported images when the disk is nearly full.
type pinnedImages struct {
	cri.UnimplementedImageServiceServer
	next   cri.ImageServiceClient
	pinned func(ctx context.Context) (string, error)
}

// ServeImages answers the kubelet until ctx is done.
func (n *Node) ServeImages(ctx context.Context) error {
	limit := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(longestMessage))
	connection, err := grpc.NewClient("unix://"+Address, grpc.WithTransportCredentials(insecure.NewCredentials()), limit)
	if err != nil {
		return err
	}
	if err := os.Remove(imageAddress); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", imageAddress)
	if err != nil {
		return err
	}
	if err := os.Chmod(imageAddress, 0o600); err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(longestMessage), grpc.MaxSendMsgSize(longestMessage))
	cri.RegisterImageServiceServer(server, &pinnedImages{
		next: cri.NewImageServiceClient(connection),
		pinned: func(ctx context.Context) (string, error) {
			return ctr(ctx, nil, "images", "ls", "--quiet", pinnedFilter)
		},
	})
	go func() {
		<-ctx.Done()
		server.Stop()
		connection.Close()
	}()
	go func() {
		if err := server.Serve(listener); err != nil && ctx.Err() == nil {
			log.Printf("the image service ended: %v", err)
		}
	}()
	return nil
}

// ListImages marks the images of which a name is pinned. When that is not known, the kubelet learns nothing, so that
// it deletes nothing.
func (p *pinnedImages) ListImages(ctx context.Context, in *cri.ListImagesRequest) (*cri.ListImagesResponse, error) {
	out, err := p.next.ListImages(ctx, in)
	if err != nil {
		return nil, err
	}
	listed, err := p.pinned(ctx)
	if err != nil {
		return nil, fmt.Errorf("the pinned images are not known: %w", err)
	}
	names := map[string]bool{}
	for _, name := range strings.Fields(listed) {
		names[name] = true
	}
	for _, image := range out.Images {
		for _, name := range append(append([]string{image.Id}, image.RepoTags...), image.RepoDigests...) {
			image.Pinned = image.Pinned || names[name]
		}
	}
	return out, nil
}

func (p *pinnedImages) ImageStatus(ctx context.Context, in *cri.ImageStatusRequest) (*cri.ImageStatusResponse, error) {
	return p.next.ImageStatus(ctx, in)
}

func (p *pinnedImages) PullImage(ctx context.Context, in *cri.PullImageRequest) (*cri.PullImageResponse, error) {
	return p.next.PullImage(ctx, in)
}

func (p *pinnedImages) RemoveImage(ctx context.Context, in *cri.RemoveImageRequest) (*cri.RemoveImageResponse, error) {
	return p.next.RemoveImage(ctx, in)
}

func (p *pinnedImages) ImageFsInfo(ctx context.Context, in *cri.ImageFsInfoRequest) (*cri.ImageFsInfoResponse, error) {
	return p.next.ImageFsInfo(ctx, in)
}
