/** The gateway's bodies and answers, by the names this client uses for them. */
import type { components } from "./api.js";

type Schemas = components["schemas"];

export type SocialPostRequest = Schemas["SocialPostBody"];
export type PersonalizedMessageRequest = Schemas["PersonalizedMessageBody"];
export type ChatRequest = Schemas["ChatResponseBody"];
export type StartersRequest = Schemas["ConversationStartersBody"];
export type ContentCalendarRequest = Schemas["ContentCalendarBody"];
export type PerformanceAnalysisRequest = Schemas["PerformanceAnalysisBody"];
export type ImageAnalysisRequest = Schemas["ImageAnalysisBody"];
export type VoiceRequest = Schemas["VoiceSynthesisBody"];

export type SocialPost = Schemas["SocialPostAnswer"];
export type PersonalizedMessage = Schemas["PersonalizedMessageAnswer"];
export type ChatAnswer = Schemas["ChatResponseAnswer"];
export type Starters = Schemas["ConversationStartersAnswer"];
export type ContentCalendar = Schemas["ContentCalendarAnswer"];
export type PerformanceAnalysis = Schemas["PerformanceAnalysisAnswer"];
export type ImageAnalysis = Schemas["ImageAnalysisAnswer"];
export type Voice = Schemas["VoiceSynthesisAnswer"];

export type UploadedImage = Schemas["Uploaded"];
export type Usage = Schemas["Usage"];
export type RequestView = Schemas["RequestView"];
export type ErrorBody = Schemas["ErrorBody"];
