package configs

import "embed"

//go:embed cartpole-ppo.yaml cartpole-dqn.yaml acrobot-ppo.yaml mdp*.yaml
var studyFiles embed.FS

// Study is the file name.yaml of this folder, for those that published figures
// are measured with: cartpole-ppo, cartpole-dqn and acrobot-ppo.
func Study(name string) []byte {
	data, err := studyFiles.ReadFile(name + ".yaml")
	if err != nil {
		panic(err) // the names are constants of the caller
	}
	return data
}
