"""Any configuration is deployed as Kubernetes takes it, or refused in words; nothing else happens."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate.utils
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data_miner.config import dump, load_resolved
from data_miner.errors import ConfigError
from miner_cluster.app_config import load_miner_config
from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.schema import cluster_schema
from tests.unit.cluster.conftest import Render
from tests.unit.cluster.generated import Config, changed, clusters

KUBERNETES = "1.31"
FEW, MANY = 100, 5_000
SCHEMA = jsonschema.Draft202012Validator(cluster_schema())
RUN_CONFIGS: list[Config] = [
    yaml.safe_load((CHECKOUT / "run_configs" / f"{name}.yaml").read_text()) for name in ("demo", "glass_door")
]

Check = Callable[[Config, Config | None], str]


@pytest.fixture(scope="module")
def check(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Check]:
    """Deploy a configuration as far as that goes without machines; say how it ended."""
    directory = tmp_path_factory.mktemp("generated")
    file, run_file = directory / "cluster_config.yaml", directory / "run.yaml"
    with pytest.MonkeyPatch.context() as patch:
        # else each object reads megabytes of definitions anew, and each configuration compiles all templates
        cached = functools.cache(kubernetes_validate.utils.schema_contents)
        patch.setattr(kubernetes_validate.utils, "schema_contents", cached)
        patch.setattr(jinja2.Environment, "compile", compiled_once(jinja2.Environment.compile))

        def deploy(config: Config, run_config: Config | None) -> str:
            file.write_text(dump(config), "utf-8")
            if run_config is not None:
                run_file.write_text(dump(run_config), "utf-8")
            try:
                loaded = load_cluster_file(file).file
                run = None if run_config is None else str(run_file)
                cluster = resolve_cluster(loaded, config_file=file, run_config=run)
                objects = deployed(cluster, render, directory)
            except ConfigError as error:
                assert all(problem.message and problem.file for problem in error.problems)  # noqa: PT017
                return "refused"
            for item in objects:
                kubernetes_validate.utils.validate(item["object"], KUBERNETES, strict=True)
            assert SCHEMA.is_valid(config), "the editors' schema is stricter than the model"
            return "deployed"

        yield deploy


def compiled_once(compile_template: Callable[..., Any]) -> Callable[..., Any]:
    """Return jinja2's method with a memory; all environments of these tests are alike."""
    known: dict[str, Any] = {}

    def compiled(environment: jinja2.Environment, source: str, *rest: Any, **named: Any) -> Any:
        if source not in known:
            known[source] = compile_template(environment, source, *rest, **named)
        return known[source]

    return compiled


def deployed(cluster: Cluster, render: Render, directory: Path) -> list[dict[str, Any]]:
    """Return the objects, after a look at whether workers read the configuration that was checked."""
    miner = load_miner_config(cluster)
    mounted = directory / "mounted.yaml"
    mounted.write_text(miner.text, "utf-8")
    assert load_resolved(mounted) == miner.typed
    return render(cluster)


def without_shrinking(examples: int) -> settings:
    """Return settings for whole configurations; making one of them smaller takes minutes and tells little."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )


def right_configurations(examples: int, check: Check) -> None:
    @without_shrinking(examples)
    @given(clusters())
    def deploys(config: Config) -> None:
        assert check(config, None) == "deployed"

    deploys()


def changed_configurations(examples: int, check: Check) -> Counter[str]:
    ends: Counter[str] = Counter()

    @without_shrinking(examples)
    @given(st.data(), clusters(), st.sampled_from([None, *RUN_CONFIGS]))
    def deploys_or_is_refused(data: st.DataObject, config: Config, run_config: Config | None) -> None:
        if run_config is None:
            config = data.draw(changed(config))
        else:
            run_config = data.draw(changed(run_config))
        ends[check(config, run_config)] += 1

    deploys_or_is_refused()
    return ends


def test_what_is_right_renders_to_objects_that_kubernetes_takes(check: Check) -> None:
    right_configurations(FEW, check)


def test_any_change_of_any_value_is_deployed_or_refused_in_words(check: Check) -> None:
    ends = changed_configurations(FEW, check)
    assert set(ends) == {"deployed", "refused"}


@pytest.mark.soak
def test_ten_thousand_configurations_deploy_or_are_refused_in_words(check: Check) -> None:
    right_configurations(MANY, check)
    ends = changed_configurations(MANY, check)
    print(f"{MANY} right ones deployed; of {MANY} changed ones {dict(ends)}")
    assert ends["deployed"] > MANY / 20
    assert ends["refused"] > MANY / 20
