"""Features: recorded activations, sparse autoencoders, and what their latents stand for."""

from scope_widgets.features.attribution.provenance import provenance
from scope_widgets.features.comparison.compare import FeatureComparison, compare
from scope_widgets.features.comparison.nearest import NearestLatents, nearest
from scope_widgets.features.evaluation.evaluate import evaluate
from scope_widgets.features.evaluation.randomise import randomise
from scope_widgets.features.evaluation.recovery import Recovery, recovery
from scope_widgets.features.evaluation.scores import SAEScores
from scope_widgets.features.feature_index.feature_index import FeatureIndex
from scope_widgets.features.feature_index.neuronpedia import neuronpedia
from scope_widgets.features.formats.load import load
from scope_widgets.features.formats.pickled.convert import convert
from scope_widgets.features.indexing.encoded_texts import EncodedTexts, encode_texts
from scope_widgets.features.indexing.index import index
from scope_widgets.features.labelling.annotate import annotate
from scope_widgets.features.labelling.label import label
from scope_widgets.features.labelling.labels import FeatureLabels
from scope_widgets.features.latent_values import latent_values
from scope_widgets.features.probing.probe import probe
from scope_widgets.features.probing.sparse_probes import SparseProbes
from scope_widgets.features.recording.record import record
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.features.training.train import train
from scope_widgets.features.training.train_several import train_several

__all__ = [
    "SAE",
    "EncodedTexts",
    "FeatureComparison",
    "FeatureIndex",
    "FeatureLabels",
    "NearestLatents",
    "Recording",
    "Recovery",
    "SAEScores",
    "SparseCodes",
    "SparseProbes",
    "annotate",
    "compare",
    "convert",
    "encode_texts",
    "evaluate",
    "index",
    "label",
    "latent_values",
    "load",
    "nearest",
    "neuronpedia",
    "probe",
    "provenance",
    "randomise",
    "record",
    "recovery",
    "train",
    "train_several",
]
