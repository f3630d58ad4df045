import torch
from diffusers import DDPMScheduler

from recap_assets.diffusion.families.family import Family, Noised, TextPart


class SD(Family):
    pipelines = ("StableDiffusionPipeline",)
    denoiser = "unet"
    texts = (TextPart("tokenizer", "text_encoder", True),)

    def __init__(self, p):
        self.pipeline = p
        self.s = DDPMScheduler.from_config(p.scheduler.config)

    @property
    def device(self):
        return self.pipeline.unet.device

    @property
    def resolution(self):
        return 0

    @property
    def longest(self):
        return self.pipeline.tokenizer.model_max_length

    def encode_pictures(self, p):
        raise NotImplementedError

    def sample(self, *a):
        raise NotImplementedError

    def tokenize(self, t):
        return {
            "text_encoder": self.pipeline.tokenizer(
                list(t),
                padding="max_length",
                truncation=True,
                max_length=self.longest,
                return_tensors="pt",
            ).input_ids
        }

    def encode_texts(self, t):
        return {"hidden": self.pipeline.text_encoder(t["text_encoder"])[0]}

    def noised(self, x, n, u):
        t = (u * 1000).long()
        noisy = self.s.add_noise(x, n, t)
        tgt = self.s.get_velocity(x, n, t) if self.s.config.prediction_type == "v_prediction" else n
        return Noised(noisy, t, tgt, torch.ones(len(x)))

    def predict(self, x, t, text):
        return self.pipeline.unet(x, t, encoder_hidden_states=text["hidden"]).sample
