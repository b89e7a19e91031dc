"""What a node does so that it has the wanted images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.node_images.plan import (
    IMPORTED,
    PINNED,
    Image,
    Plan,
    own_name,
    parse_images,
    plan,
    repository,
)

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")
REF = "docker.io/library/data-miner:lab"
OTHER = "lab.local/weed:4"
IDS = st.sampled_from([A, B, C])
WANTED = st.dictionaries(st.sampled_from([REF, OTHER, "lab.local/weed:5"]), IDS)
LABELS = {PINNED: "pinned"}

ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")
MANIFEST, INDEX = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))

#: columns are padded to the widest, and there is a blank at the end
LISTING = f"""\
REF                       TYPE       DIGEST SIZE      PLATFORMS               LABELS
{REF}                     {MANIFEST} {ONE}  111.9 MiB linux/amd64             {IMPORTED}=17,{PINNED}=pinned
{A}                       {MANIFEST} {ONE}  111.9 MiB linux/amd64             io.cri-containerd.image=managed
docker.io/rancher/pause:3 {INDEX}    {TWO}  0.3 MiB   linux/amd64,linux/arm64 -
""".replace("\n", " \n")


class FakeNode:
    """Carries out plans as containerd does: the CRI plugin looks up the ID of new names only."""

    def __init__(self) -> None:
        self.images: dict[str, Image] = {}
        self.now = 0

    def converge(self, wanted: dict[str, str], spares: int = 1) -> Plan:
        self.now += 1
        steps = plan(self.images, wanted, spares=spares)
        for name in steps.discard:
            del self.images[name]
        for name, ref in steps.missing.items():
            assert name not in self.images
            self.images[name] = Image(wanted[ref], {})
            self.images.setdefault(wanted[ref], Image(wanted[ref], {}))
        for ref, name in steps.move.items():
            self.images[ref] = self.images[name]
        for ref in steps.pin:
            self.images[ref] = Image(self.images[ref].image_id, LABELS | {IMPORTED: str(self.now)})
        for ref in steps.remove:
            del self.images[ref]
        return steps

    def named(self, repo: str) -> set[str]:
        return {image.image_id for ref, image in self.images.items() if repository(ref) == repo}


def test_the_listing_gives_ids_and_labels() -> None:
    found = parse_images(LISTING)
    assert found[REF] == Image(A, {IMPORTED: "17", PINNED: "pinned"})
    assert found["docker.io/rancher/pause:3"] == Image("", {})
    assert set(found) == {REF, A, "docker.io/rancher/pause:3"}


@given(st.lists(WANTED, min_size=1), st.integers(0, 2))
def test_any_history_ends_with_the_wanted_images_pinned(history: list[dict[str, str]], spares: int) -> None:
    node = FakeNode()
    for wanted in history:
        node.converge(wanted, spares)
        assert {ref: node.images[ref].image_id for ref in wanted} == wanted
        assert all(PINNED in node.images[ref].labels for ref in wanted)
        assert not node.converge(wanted, spares).sentences()


@given(st.lists(WANTED, min_size=1), st.integers(0, 2))
def test_a_repository_keeps_no_more_than_the_spares(history: list[dict[str, str]], spares: int) -> None:
    node = FakeNode()
    for wanted in history:
        node.converge(wanted, spares)
        for repo in {repository(ref) for ref in node.images if not ref.startswith("sha256:")}:
            in_use = {image_id for ref, image_id in wanted.items() if repository(ref) == repo}
            assert len(node.named(repo) - in_use) <= spares
        named = {image.image_id for ref, image in node.images.items() if not ref.startswith("sha256:")}
        assert {ref for ref in node.images if ref.startswith("sha256:")} == named


def test_a_replaced_image_stays_until_the_next_replacement() -> None:
    node = FakeNode()
    node.converge({REF: A})
    node.converge({REF: B})
    assert node.named(repository(REF)) == {A, B}
    node.converge({REF: C})
    assert node.named(repository(REF)) == {B, C}
    assert A not in node.images


def test_going_back_imports_nothing() -> None:
    node = FakeNode()
    node.converge({REF: A})
    node.converge({REF: B})
    assert node.converge({REF: A}).missing == {}


def test_an_old_tag_stays_with_its_image() -> None:
    node = FakeNode()
    node.converge({"lab.local/weed:4": A})
    node.converge({"lab.local/weed:5": B})
    assert node.images["lab.local/weed:4"].image_id == A


def test_images_of_others_are_left_alone() -> None:
    node = FakeNode()
    stranger = "docker.io/library/nginx:1"
    node.images |= {stranger: Image(C, {}), C: Image(C, {})}
    node.converge({REF: A})
    node.converge({}, spares=0)
    assert set(node.images) == {stranger, C}


def test_a_reference_whose_id_containerd_lost_is_imported_anew() -> None:
    node = FakeNode()
    node.converge({REF: A})
    for name in (REF, own_name(REF, A)):
        node.images[name] = Image("", node.images[name].labels)
    steps = node.converge({REF: A})
    assert steps.discard == [own_name(REF, A)]
    assert node.images[REF].image_id == A


def test_an_image_that_is_not_built_yet_counts_as_missing() -> None:
    steps = plan({}, {REF: ""}, spares=1)
    assert list(steps.missing.values()) == [REF]


@pytest.mark.parametrize(
    "reference",
    [
        "registry:5000/library/postgres:16",
        f"registry:5000/library/postgres@sha256:{'c' * 64}",
        f"registry:5000/library/postgres:16@sha256:{'c' * 64}",
    ],
)
def test_an_own_name_is_a_reference_also_of_what_is_named_by_its_digest(reference: str) -> None:
    assert repository(reference) == "registry:5000/library/postgres"
    assert own_name(reference, A) == f"registry:5000/library/postgres:id-{A.removeprefix('sha256:')[:12]}"
