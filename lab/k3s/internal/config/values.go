package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// DefaultFile is read when neither --config nor K3S_CONFIG_FILE names another file.
const DefaultFile = "/etc/rancher/k3s/config.yaml"

// A value is what was given for an option and where: "FILE:LINE", "--flag" or the environment variable.
type value struct {
	items []string
	from  string
}

// values are the options that were given, by name.
type values map[string]value

// collect reads the options for a role from the environment, the configuration files and the command line:
// the later of the three wins, and lists are replaced as a whole.
func collect(role Role, args []string, getenv func(string) string) (values, error) {
	given, err := parseArgs(role, args)
	if err != nil {
		return nil, err
	}
	all := values{}
	for _, option := range options {
		if content := getenv(option.env); option.env != "" && content != "" && option.takenBy(role) {
			all[option.name] = value{items: []string{content}, from: option.env}
		}
	}
	file, explicit := DefaultFile, false
	for _, source := range []values{all, given} {
		if named, ok := source["config"]; ok {
			file, explicit = named.items[0], true
		}
	}
	if err := readFiles(role, file, explicit, all); err != nil {
		return nil, err
	}
	for name, one := range given {
		all[name] = one
	}
	return all, check(all)
}

// check refuses what this program cannot do and what is no true or false.
func check(all values) error {
	var problems []error
	for _, name := range sorted(all) {
		one, option := all[name], find(name)
		on := len(one.items) > 0 && one.items[0] != ""
		if option.kind == flag {
			parsed, err := strconv.ParseBool(strings.Join(one.items, ""))
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %s must be true or false, not %q", one.from, name, strings.Join(one.items, ",")))
				continue
			}
			on = parsed
		}
		if option.refused != "" && on {
			problems = append(problems, fmt.Errorf("%s: %s is not supported by this stand-in for k3s: %s", one.from, name, option.refused))
		}
	}
	return errors.Join(problems...)
}

// readFiles reads FILE and then FILE.d/*.yaml in order; a key ending in + adds to a list.
func readFiles(role Role, file string, explicit bool, all values) error {
	more, err := filepath.Glob(filepath.Join(file+".d", "*.y*ml"))
	if err != nil {
		return err
	}
	sort.Strings(more)
	var problems []error
	for i, path := range append([]string{file}, more...) {
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && i == 0 && !explicit {
			continue
		}
		if err == nil {
			err = parseFile(role, path, content, all)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func parseFile(role Role, path string, content []byte, all values) error {
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(document.Content) == 0 || document.Content[0].Tag == "!!null" {
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: expected keys and values, as in \"node-name: NAME\"", path, root.Line)
	}
	var problems []error
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		at := fmt.Sprintf("%s:%d", path, key.Line)
		if before, again := seen[key.Value]; again {
			problems = append(problems, fmt.Errorf("%s: %s is already given in line %d", at, key.Value, before))
			continue
		}
		seen[key.Value] = key.Line
		if err := setFromFile(role, at, key.Value, node, all); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func setFromFile(role Role, at, key string, node *yaml.Node, all values) error {
	name := strings.TrimSuffix(key, "+")
	option := find(name)
	if err := known(role, option, name, at, "key"); err != nil {
		return err
	}
	if name == "config" {
		return fmt.Errorf("%s: config is a flag and no key of a configuration file", at)
	}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	var items []string
	switch {
	case node.Tag == "!!null":
		return nil
	case node.Kind == yaml.ScalarNode:
		items = []string{node.Value}
	case node.Kind == yaml.SequenceNode && option.kind == list:
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return fmt.Errorf("%s: %s must be a list of plain values", at, name)
			}
			items = append(items, item.Value)
		}
	default:
		return fmt.Errorf("%s: %s must be one plain value", at, name)
	}
	if strings.HasSuffix(key, "+") {
		if option.kind != list {
			return fmt.Errorf("%s: %s is no list, so nothing can be added to it; write it without the +", at, name)
		}
		items = append(append([]string{}, all[name].items...), items...)
	}
	all[name] = value{items: items, from: at}
	return nil
}

func parseArgs(role Role, args []string) (values, error) {
	given := values{}
	for i := 0; i < len(args); i++ {
		argument := args[i]
		name, content, hasContent := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		if !strings.HasPrefix(argument, "-") || name == "" {
			return nil, fmt.Errorf("unexpected argument %q: everything is given as --flag or in %s", argument, DefaultFile)
		}
		option := find(name)
		if option == nil {
			option = findShort(name)
		}
		if err := known(role, option, name, "command line", "flag"); err != nil {
			return nil, err
		}
		if !hasContent {
			switch {
			case option.kind == flag:
				content = "true"
			case i+1 == len(args):
				return nil, fmt.Errorf("command line: --%s needs a value", option.name)
			default:
				i++
				content = args[i]
			}
		}
		one := value{from: "--" + option.name}
		if option.kind == list {
			one.items = append(one.items, given[option.name].items...)
		}
		one.items = append(one.items, content)
		given[option.name] = one
	}
	return given, nil
}

func known(role Role, option *option, name, at, word string) error {
	if option == nil {
		hint := ""
		if near := nearest(name); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return fmt.Errorf("%s: unknown %s %q%s", at, word, name, hint)
	}
	if !option.takenBy(role) {
		return fmt.Errorf("%s: %s %q is for servers only", at, word, name)
	}
	return nil
}

// nearest returns the option whose name differs least from a mistyped one, or "" when none is near.
func nearest(name string) string {
	best, least := "", len(name)/3+1
	for _, option := range options {
		if d := distance(name, option.name); d <= least && (best == "" || d < least) {
			best, least = option.name, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func sorted(all values) []string {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
