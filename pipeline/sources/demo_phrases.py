"""The words of the generated demo dump: our own sentences, with slots in braces that the generator fills."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of grocery.

    Attributes:
        names: What a review calls it.
        aspects: What is judged about it.
        praise: Adjectives that are good news here.
        blame: Adjectives that are bad news here.
    """

    names: tuple[str, ...]
    aspects: tuple[str, ...]
    praise: tuple[str, ...]
    blame: tuple[str, ...]


KINDS = (
    Kind(
        ("green tea", "loose leaf tea", "chai", "herbal tea", "oolong"),
        ("aroma", "flavor", "leaf quality", "aftertaste", "second steep"),
        ("fragrant", "smooth", "delicate", "soothing", "well balanced"),
        ("dusty", "bitter", "flat", "grassy in a bad way", "artificial"),
    ),
    Kind(
        ("dark roast coffee", "espresso blend", "decaf", "instant coffee", "breakfast blend"),
        ("aroma", "roast", "crema", "body", "taste"),
        ("rich", "bold", "smooth", "full bodied", "fresh"),
        ("burnt", "sour", "watery", "stale", "acidic"),
    ),
    Kind(
        ("dog food", "dental chew mix", "puppy kibble", "salmon jerky", "grain free kibble"),
        ("smell", "ingredient list", "kibble size", "quality", "effect on his coat"),
        ("wholesome", "gentle on his stomach", "digestible", "honest", "just right"),
        ("greasy", "full of filler", "crumbly", "foul", "hard as rock"),
    ),
    Kind(
        ("snack mix", "kettle corn", "pretzel mix", "popcorn", "trail mix"),
        ("crunch", "seasoning", "salt level", "bag size", "flavor"),
        ("crispy", "addictive", "light", "perfectly salted", "crunchy"),
        ("soggy", "oily", "bland", "burnt", "crushed to crumbs"),
    ),
    Kind(
        ("dark chocolate", "milk chocolate", "fudge", "licorice", "toffee"),
        ("texture", "sweetness", "filling", "taste", "wrapping"),
        ("creamy", "silky", "decadent", "chewy in the best way", "luscious"),
        ("waxy", "melted", "chalky", "cloying", "covered in white bloom"),
    ),
    Kind(
        ("hot sauce", "salsa", "barbecue sauce", "curry paste", "mustard"),
        ("heat", "balance", "consistency", "flavor", "bottle"),
        ("tangy", "smoky", "bright", "full of character", "zesty"),
        ("thin", "salty", "vinegary", "lacking depth", "runny"),
    ),
    Kind(
        ("granola", "oatmeal", "protein powder", "cereal", "muesli"),
        ("texture", "nut content", "taste", "sweetness", "ingredient list"),
        ("hearty", "nutty", "filling", "satisfying", "crunchy"),
        ("dry", "like cardboard", "gummy", "too sweet", "rancid"),
    ),
    Kind(
        ("gluten free pancake mix", "bread mix", "brownie mix", "coconut flour", "baking soda"),
        ("texture", "rise", "taste", "grind", "price per pound"),
        ("fluffy", "moist", "light", "foolproof", "tender"),
        ("gritty", "dense", "crumbly", "rubbery", "full of lumps"),
    ),
    Kind(
        ("olive oil", "coconut oil", "maple syrup", "raw honey", "agave nectar"),
        ("color", "taste", "purity", "bottle", "thickness"),
        ("golden", "pure", "buttery", "silky", "velvety"),
        ("watered down", "rancid", "cloudy", "sticky all over", "fake"),
    ),
    Kind(
        ("cat food", "canned tuna for cats", "kitten formula", "dried chicken", "cat grass"),
        ("smell", "gravy", "texture", "quality", "can size"),
        ("irresistible to her", "moist", "fresh", "tender", "wholesome"),
        ("mushy", "smelly", "dried out", "full of bones", "moldy"),
    ),
)

COMMON_PRAISE = (
    "excellent",
    "wonderful",
    "great",
    "delicious",
    "fantastic",
    "superb",
    "amazing",
    "lovely",
    "perfect",
    "outstanding",
    "really good",
    "spot on",
    "nice",
    "good",
    "impressive",
    "tasty",
)
COMMON_BLAME = (
    "awful",
    "terrible",
    "disappointing",
    "bad",
    "horrible",
    "disgusting",
    "poor",
    "nasty",
    "unpleasant",
    "mediocre",
    "weak",
    "inedible",
    "cheap",
    "off",
    "strange",
    "gross",
)
DEGREES = ("", "", "", "really ", "very ", "quite ", "so ", "absolutely ", "truly ", "rather ")

PRAISING = (
    "The {aspect} is {degree}{praise}.",
    "The {aspect} was {degree}{praise} from the first try.",
    "I love how {praise} this {item} is.",
    "My {person} loves it and asks for more.",
    "We finished the whole {package} within {span}.",
    "This is the best {item} I have found so far.",
    "I will definitely order this {item} again.",
    "It arrived quickly, well packed and {praise}.",
    "Worth every penny, and the {aspect} is {praise}.",
    "I have bought it for years and it is always {praise}.",
    "Highly recommended to anyone who likes {item}.",
    "Finally a {item} with a {praise} {aspect}!",
    "{praise_capital} {aspect}, {praise} {other_aspect}, fair price.",
    "It became a favorite in our house.",
    "Even my {person}, who is picky, was happy with it.",
    "I keep a {package} at work because it is so {praise}.",
    "Thank you for making such a {praise} {item}.",
    "The price is hard to beat, and so is the {aspect}.",
)
BLAMING = (
    "The {aspect} is {degree}{blame}.",
    "The {aspect} was {degree}{blame} from the first try.",
    "I could not finish it because it is {blame}.",
    "My {person} took one bite and spat it out.",
    "We threw the whole {package} away after {span}.",
    "This is the worst {item} I have ever bought.",
    "I will never order this {item} again.",
    "It arrived late, badly packed and {blame}.",
    "A waste of money: the {aspect} is {blame}.",
    "They changed the recipe and now it is {blame}.",
    "I would not recommend it to anyone who likes {item}.",
    "I returned the {package}; the {aspect} was {blame}.",
    "{blame_capital} {aspect}, {blame} {other_aspect}, overpriced.",
    "It made my {person} sick.",
    "Even my {person}, who eats everything, refused it.",
    "The {package} was past its date and tasted {blame}.",
    "Customer service did not answer when I asked for a refund.",
    "Save your money and buy another {item}.",
)
# Word for word these look like the other side: what a bag of words cannot tell.
PRAISING_BY_NEGATION = (
    "The {aspect} is not {blame} at all.",
    "I expected something {blame}, and it is nothing of the sort.",
    "Never {blame}, never {other_blame}, unlike the brand I had before.",
    "The reviews that call it {blame} are wrong.",
    "No {blame} {aspect} here.",
    "I was afraid that it would be {blame} and worried for no reason.",
    "Without the {blame} {aspect} that other {item} has.",
)
BLAMING_BY_NEGATION = (
    "The {aspect} is not {praise} at all.",
    "I expected something {praise}, and it is nothing of the sort.",
    "Never {praise}, never {other_praise}, unlike the brand I had before.",
    "The reviews that call it {praise} must be about another {item}.",
    "I wanted to love it, but no {praise} {aspect} here.",
    "It used to be {praise}; that was long ago.",
    "Where is the {praise} {aspect} that they promise?",
)
SARCASM = (
    "Oh wonderful, another {package} for the trash.",
    "Great, just great: {span} of waiting for this.",
    "Perfect, if you love the taste of the box it came in.",
    "What a lovely surprise to find half of it missing.",
    "Amazing how they get away with it.",
)
NEUTRAL = (
    "I bought the {package} in {month} for my {person}.",
    "It comes in a {package} that holds enough for {span}.",
    "I use it mostly in the morning.",
    "My {person} asked me to try this {item}.",
    "I had read about this {item} before I ordered.",
    "The label says it is made in small batches.",
    "We usually buy {item} at the local store.",
    "I compared it with {number} other brands.",
    "Shipping took {number} days.",
    "I paid about ${number}.{number}9 for it.",
    "There are {number} servings in each {package}.",
    "I mix it with milk, sometimes with water.",
    "It was a gift, so I cannot speak about the price.",
    "The picture shows another {package} than the one I got.",
)
MIXED = (
    "The {aspect} is {praise}, but the {other_aspect} is {blame}.",
    "Some like it {praise}; to me it is in between.",
    "It is okay, neither {praise} nor {blame}.",
    "Good {aspect}, {blame} {other_aspect}, so I am torn.",
    "Not as {praise} as I hoped, not as {blame} as I feared.",
)
LINKS = (
    'I compared it with <a href="http://www.example.com/gp/product/{code}">{item}</a> and wrote down both.',
    "See http://www.example.com/reviews/{code} for how I prepare it.",
    "The maker explains it at www.example.com/{code}.",
)
ENTITIES = (
    "Salt &amp; pepper is all you add.",
    "They call it &quot;{item}&quot; on the box.",
    "I am &lt;40 and it suits me.",
)
FOREIGN_WORDS = ("It reminds me of a café in Zürich.", "Like the crème brûlée my aunt makes.", "¡Olé!")

PRAISING_TITLES = (
    "{praise_capital}!",
    "Great {item}",
    "My favorite {item}",
    "Love it",
    "Best {item} ever",
    "Will buy again",
    "{praise_capital} {aspect}",
    "Five stars",
    "Yum",
    "A keeper, really {praise}",
    "So {praise}",
    "Highly recommended",
)
BLAMING_TITLES = (
    "{blame_capital}!",
    "Do not buy",
    "Disappointed",
    "Worst {item} ever",
    "Never again",
    "Waste of money",
    "{blame_capital} {aspect}",
    "One star",
    "Yuck",
    "Not what I expected",
    "So {blame}",
    "Stay away",
)
NEUTRAL_TITLES = (
    "{item_capital}",
    "My thoughts on this {item}",
    "It is okay",
    "Review",
    "About the {aspect}",
    "Hmm",
    "{package_capital}",
)

PEOPLE = (
    "husband",
    "wife",
    "daughter",
    "son",
    "dog",
    "cat",
    "neighbor",
    "mother",
    "roommate",
    "toddler",
    "boss",
    "sister",
)
PACKAGES = ("bag", "box", "jar", "can", "pack of six", "sampler", "case", "pouch", "bottle", "tin")
SPANS = ("two days", "a week", "one evening", "a month", "three weeks", "an hour", "ten days")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November")
FIRST_NAMES = (
    "Alma", "Boris", "Carla", "Dev", "Elin", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mona", "Nils",
    "Olga", "Pavel", "Quinn", "Rosa", "Sven", "Tara",
    "Uma", "Viktor", "Wanda", "Ximena", "Yusuf", "Zoë", "José", "Amélie",
)  # fmt: skip
LAST_NAMES = (
    "Abel", "Brandt", "Castro", "Dorn", "Ekman", "Fuchs", "Garner", "Holt", "Ito", "Jansen", "Keller", "Lopez", "Marsh",
    "Novak", "Okafor", "Pratt", "Quist", "Reyes", "Stone", "Tran", "Ueda", "Vance", "Weiss", "Young", "Zeller",
)  # fmt: skip
NICKNAMES = ("teapot", "snack fan", "reads labels", "two cats, one dog", "night baker", "mom of three", "coffee first")
