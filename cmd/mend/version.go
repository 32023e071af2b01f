package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"mend/checkpoints"
	"mend/train"
)

// revisionOf is the revision of the source, where the build knows it.
func revisionOf() string { return manifestOf().Revision }

func manifestOf() train.Manifest {
	return train.NewManifest(checkpoints.Meta{}, time.Time{})
}

func versionLine() string {
	return fmt.Sprintf("mend %s %s %s/%s", train.Tool(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newVersion(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which mend this is",
		Long: `Say which mend this is, and with --json what computes: the best kernel that this
machine has, or the one that the environment variable MEND_KERNEL names (go,
avx2 or avx512). Runs on different kernels may differ in their last bits.

  mend version --json`,
		Args: nothing,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				m := manifestOf()
				return s.writeJSON(struct {
					Schema   string `json:"schema"` // mend.version/v1
					Tool     string `json:"tool"`
					Revision string `json:"revision"`
					Modified bool   `json:"modified"`
					Go       string `json:"go"`
					OS       string `json:"os"`
					Arch     string `json:"arch"`
					CPU      string `json:"cpu"`
					Kernel   string `json:"kernel"`
				}{"mend.version/v1", m.Tool, m.Revision, m.Modified, m.Go, m.OS, m.Arch, m.CPU, m.Kernel})
			}
			_, err := fmt.Fprintln(s.out, versionLine())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object")
	return cmd
}
