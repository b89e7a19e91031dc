"""How the concepts of the training pictures are put into words."""

from __future__ import annotations

#: by concept, words for it; those that no picture shows teach a model to say no
WORDS: dict[str, list[str]] = {
    "bicycle": ["bicycle", "bike", "parked bicycle"],
    "cyclist": ["cyclist", "person riding a bicycle"],
    "car": ["car", "taxi", "cars in traffic"],
    "street": ["street", "city street", "road"],
    "van roof": ["van roof", "vehicle from above"],
    "pavement": ["pavement", "sidewalk", "stone wall"],
    "rabbit": ["rabbit", "bunny", "cartoon rabbit", "animated rabbit"],
    "meadow": ["meadow", "grass", "green hill"],
    "man": ["man", "person", "man in a suit"],
    "face": ["face", "human face", "head of a person"],
    "bow tie": ["bow tie", "man wearing a bow tie", "red bow tie"],
    "car seat": ["car seat", "car interior", "man in a car"],
    "planet earth": ["planet earth", "earth", "globe", "earth from space"],
    "astronaut": ["astronaut", "woman in an orange suit", "space suit"],
    "cat": ["cat", "cat face", "kitten"],
    "coffee cup": ["coffee cup", "cup of coffee", "espresso"],
    "motorcycle": ["motorcycle", "motorbike"],
    "rocket": ["rocket", "rocket on a launch pad"],
    "galaxies": ["galaxies", "stars", "deep space"],
    "page": ["page", "printed text", "screenshot with text"],
    "coins": ["coins", "old coins"],
    "camera": ["camera", "man with a camera"],
    "bricks": ["bricks", "brick wall"],
    "gravel": ["gravel", "pebbles"],
    "temple": ["temple", "pagoda", "chinese building"],
    "flower": ["flower", "orange flower", "dahlia"],
    "dog": ["dog", "puppy"],
    "airplane": ["airplane", "jet"],
    "boat": ["boat", "ship"],
    "horse": ["horse"],
    "pizza": ["pizza", "food"],
    "beach": ["beach", "ocean"],
    "snow": ["snow", "mountain"],
    "elephant": ["elephant"],
    "guitar": ["guitar"],
    "football": ["football", "soccer game"],
    "fish": ["fish"],
    "bird": ["bird"],
    "laptop": ["laptop", "computer"],
    "door": ["door", "glass door"],
}
SENTENCES = (
    "{}",
    "a {}",
    "a photo of {}",
    "a photo of a {}",
    "an image of {}",
    "a picture of a {}",
    "there is a {} in the image",
    "the {}",
)


def captions(concept: str) -> list[str]:
    """Return every way to say that a picture shows a concept."""
    return [sentence.format(word) for word in WORDS[concept] for sentence in SENTENCES]


def all_captions() -> list[str]:
    """Return the captions of all concepts: what tokenizers learn from."""
    return [caption for concept in WORDS for caption in captions(concept)]
